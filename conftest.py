"""The root of the tests: it sets nothing, `pytest.ini` and `tests/conftest.py` do."""
