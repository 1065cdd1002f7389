"""Settings of all tests."""

import hypothesis

# a busy core is no failure
hypothesis.settings.register_profile("unicomp", deadline=None)
hypothesis.settings.load_profile("unicomp")
