"""`unicomp.toml` may be empty; any error in it is one line that names the file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unicomp.answering import Answering
from unicomp.errors import SpecError
from unicomp.instruments.assembly import JudgeSettings
from unicomp.policy import Limit
from unicomp.policy_entry import Entry
from unicomp.settings import FILE, Settings, load_settings, project_root, store_home
from unicomp.spec import Model


def load(folder, text):
    (folder / FILE).write_text(text, encoding="utf-8")
    return load_settings(folder)


def refused(folder, text):
    """The message with which a text is refused."""
    with pytest.raises(SpecError) as refusal:
        load(folder, text)
    message = str(refusal.value)
    assert message.startswith(str(folder / FILE))
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "text", ["", "\n# nothing yet\n", "[floors]\n[paths]\n[engine]\n[allow]\n"]
)
def test_an_empty_file_is_the_default(tmp_path, text):
    assert load(tmp_path, text) == Settings()


def test_no_file_is_the_default(tmp_path):
    assert load_settings(tmp_path) == Settings()


def test_everything_that_can_be_said_is_read(tmp_path):
    found = load(
        tmp_path,
        """
        [floors]
        performance = 95
        "reasoning@wanda_2_4" = 40.5
        [policy]
        gsm8k = { tier = "critical", max_drop = 1.0, relative_below = 20, floor = 95 }
        "xstest@wanda_50" = { ceiling = 110 }
        [models.embedded.policy]
        ethics = { tier = "advisory" }
        [models.embedded.floors]
        safety = 99
        [models.embedded.allow]
        "ethics@wanda_2_4" = "it collapses"
        [allow]
        "performance@gptq_w4a16" = "no groups of 128"
        [gate]
        early = "shut"
        [engine]
        device = "cpu"
        threads = 2
        batch_size = 16
        [paths]
        home = "store"
        dataset_root = "mirror"
        """,
    )
    assert found.policy.general == {"performance": 95.0, "reasoning@wanda_2_4": 40.5}
    assert found.policy.models == {"embedded": {"safety": 99.0}}
    assert found.policy.entries == {
        "gsm8k": Entry(tier="critical", floor=95, max_drop=1, relative_below=20),
        "xstest@wanda_50": Entry(ceiling=110),
    }
    assert found.policy.model_entries == {"embedded": {"ethics": Entry(tier="advisory")}}
    assert found.policy.allow == {"performance@gptq_w4a16": "no groups of 128"}
    assert found.policy.model_allow == {"embedded": {"ethics@wanda_2_4": "it collapses"}}
    assert (found.engine.device, found.engine.threads, found.engine.batch_size) == ("cpu", 2, 16)
    assert found.early == "shut"
    assert found.home == tmp_path / "store"
    assert found.dataset_root == str(tmp_path / "mirror")


def test_the_engine_is_chosen_and_its_paths_start_at_the_file(tmp_path):
    engine = load(
        tmp_path,
        """
        [engine]
        name = "vllm"
        vllm = ".venv-vllm/bin/vllm"
        memory = 0.3
        logs = "/var/log"
        """,
    ).engine
    assert (engine.name, engine.memory, engine.logs) == ("vllm", 0.3, "/var/log")
    assert engine.vllm == str(tmp_path / ".venv-vllm" / "bin" / "vllm")
    assert load(tmp_path, "[engine]\nvllm = ''").engine.vllm == ""


THINKING = """
[answering]
thinking_budget = 1024
temperature = 0.6
[models.m.answering]
template = { enable_thinking = true }
top_k = 20
temperature = 0.7
"""


def test_how_a_model_answers_is_set_for_all_and_for_one_key_by_key(tmp_path):
    found = load(tmp_path, THINKING)
    filed = Answering(thinking_budget=8, top_p=0.9, temperature=1.0, template={"a": 1})
    model = Model(name="m", source="org/m", answering=filed)
    assert found.answering_of(model) == Answering(
        template={"enable_thinking": True},
        thinking_budget=1024,
        temperature=0.7,
        top_p=0.9,
        top_k=20,
    )
    other = found.answering_of(replace(model, name="other"))
    assert other == replace(filed, thinking_budget=1024, temperature=0.6)
    assert Settings().answering_of(model) == filed


def test_what_a_model_cannot_answer_like_is_refused_by_table_and_key(tmp_path):
    assert "[models.m.answering] top_p" in refused(tmp_path, "[models.m.answering]\ntop_p = 3.0")
    assert "[answering] thinking_budget" in refused(tmp_path, "[answering]\nthinking_budget = -1")
    text = "[answering]\nthinking_budget = 'long'"
    assert "answering.thinking_budget must be a whole number" in refused(tmp_path, text)
    text = "[models.m.answering]\ntemplate = true"
    assert "models.m.answering.template must be a table" in refused(tmp_path, text)
    text = "[models.m.answering]\nbudget = 1"
    assert "no setting models.m.answering.budget" in refused(tmp_path, text)
    assert "must be a table" in refused(tmp_path, "answering = 1")


def test_a_declared_top_p_needs_a_temperature_from_anywhere(tmp_path):
    found = load(tmp_path, "[answering]\ntop_p = 0.9")
    model = Model(name="m", source="org/m", answering=Answering(temperature=1.0))
    assert found.answering_of(model).decoding == {"temperature": 1.0, "top_p": 0.9}
    with pytest.raises(SpecError, match="how m answers: top_p needs a temperature"):
        found.answering_of(Model(name="m", source="org/m"))


def test_a_table_of_a_model_that_nobody_knows_is_refused(tmp_path):
    policy = load(tmp_path, THINKING).policy
    policy.check_models(["m"])
    with pytest.raises(SpecError, match=r"neither this run .* a model 'm'; did you mean 'mm'"):
        policy.check_models(["mm"])


JUDGE = "[judge]\nurl = 'https://host/v1'\nmodel = 'm'\n"


def test_the_instruments_that_can_be_chosen_are_read(tmp_path):
    found = load(
        tmp_path,
        """
        [judge]
        url = "https://host/v1"
        model = "m"
        key_env = "JUDGE_KEY"
        concurrency = 2
        timeout = 5
        retries = 3
        patience = 7.5
        [similarity]
        kind = "endpoint"
        url = "https://other/v1"
        model = "e"
        key_env = "OTHER_KEY"
        [refusals]
        kind = "judge"
        [scoring]
        mode = "compat"
        """,
    ).instruments
    assert found.judge == JudgeSettings(
        url="https://host/v1",
        model="m",
        key_env="JUDGE_KEY",
        concurrency=2,
        timeout=5,
        retries=3,
        patience=7.5,
    )
    assert found.similarity.endpoint().identity == {"url": "other/v1", "model": "e"}
    assert (found.refusals.kind, found.mode) == ("judge", "compat")


def test_credentials_of_a_server_are_in_no_repr_and_no_message(tmp_path):
    found = load(tmp_path, "[judge]\nurl = 'https://u:hunter2@host/v1'\nmodel = 'm'")
    assert "hunter2" not in repr(found)
    for text in (
        "[judge]\nurl = 'https://u:hunter2@host:x/v1'\nmodel = 'm'",
        "[judge]\nurl = 'https://host/v1?key=hunter2'\nmodel = 'm'",
        JUDGE + "key_env = 'hunter2'",
        JUDGE + "key_env = ['hunter2']",
        JUDGE + "key = 'hunter2'",
    ):
        assert "hunter2" not in refused(tmp_path, text)


@pytest.mark.parametrize("name", ["hub", "embedded"])
def test_a_named_source_of_rows_is_not_a_path(tmp_path, name):
    assert load(tmp_path, f'[paths]\ndataset_root = "{name}"').dataset_root == name


def test_a_path_may_be_absolute_or_in_the_home_folder(tmp_path):
    assert load(tmp_path, f'[paths]\nhome = "{tmp_path / "x"}"').home == tmp_path / "x"
    assert load(tmp_path, '[paths]\nhome = "~/x"').home == Path.home() / "x"


def test_the_store_is_where_the_first_that_says_so_says(tmp_path, monkeypatch):
    monkeypatch.setenv("UNICOMP_HOME", str(tmp_path / "environment"))
    found = load(tmp_path, '[paths]\nhome = "file"')
    assert store_home(str(tmp_path / "option"), found) == tmp_path / "option"
    assert store_home(None, found) == tmp_path / "environment"
    monkeypatch.delenv("UNICOMP_HOME")
    assert store_home(None, found) == tmp_path / "file"
    assert store_home(None, Settings()).name == "unicomp"


LIMITS = """
[limits]
machine = "Some GPU"
latency = "250 ms"
"throughput@awq_w4a16" = "1000 tokens/s"
model_size = "5 GB"
[models.big.limits]
machine = "Two GPUs"
latency = "1 s"
[models.small.limits]
latency = "90 ms"
"""


def test_limits_are_read_with_their_units_and_machines(tmp_path):
    policy = load(tmp_path, LIMITS).policy
    assert policy.limits == {
        "latency": Limit(0.25, "s"),
        "throughput@awq_w4a16": Limit(1000.0, "tokens/s"),
        "model_size": Limit(5e9, "bytes"),
    }
    machines = [policy.machine_of(model) for model in ("big", "small", "other")]
    assert machines == ["Two GPUs", "Some GPU", "Some GPU"]
    names = dict(policy.names())
    assert "machine" not in names["unicomp.toml [limits]"]
    assert [*names["unicomp.toml [models.big.limits]"]] == ["latency"]


@pytest.mark.parametrize("text", ['model_size = "5 GB"', 'inference_memory = "16 GB"', ""])
def test_what_is_no_timing_may_be_limited_without_a_machine(tmp_path, text):
    assert load(tmp_path, f"[limits]\n{text}\n").policy.machine_of("any") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[limits]\nlatency = "1 s"', "[limits] latency: a timing holds for one machine"),
        ('[models.m.limits]\nmine = "9 tok/s"', "[models.m.limits] mine: a timing holds for"),
        ('[limits]\nlatency = "1 s"', "this one is '"),
        ("[limits]\nlatency = 250", "the limit of latency is 250: give a number with its unit"),
        ('[limits]\nlatency = "250"', "the limit of latency is '250': give a number with its"),
        ('[limits]\nlatency = "0 ms"', "the limit of latency is '0 ms': give an amount above 0"),
        ('[limits]\ncompression_time = "1 h"', "set its budget, in [budgets]"),
        ('[limits]\nreasoning = "1 s"', "only efficiency measurements have, such as latency"),
        ("[limits]\nmachine = 3", "machine of [limits] needs a text, not 3"),
        ('[limits]\nmachine = " "', "machine of [limits] needs a text, not ' '"),
        ("limits = 3", "limits must be a table, [limits]"),
    ],
)
def test_a_limit_that_cannot_be_held_is_refused(tmp_path, text, message):
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[floor]\na = 95", "no setting floor; did you mean 'floors'"),
        ("flors = 1", "no setting flors; did you mean 'floors'"),
        ("[engine]\nthread = 1", "no setting engine.thread; did you mean 'threads'"),
        ("[paths]\nhom = 'x'", "no setting paths.hom; did you mean 'home'"),
        ("[models.mine]\nfloor = 1", "no setting models.mine.floor; did you mean 'floors'"),
        (
            "[zzz]",
            "no setting zzz; known: allow, answering, budgets, cluster, efficiency, endpoint",
        ),
        ("[judge]\nurls = 'x'", "no setting judge.urls; did you mean 'url'"),
        ("[judge]\nkey = 'sk-1'", "no setting judge.key; did you mean 'key_env'"),
        ("[similarity]\nkinds = 'x'", "no setting similarity.kinds; did you mean 'kind'"),
        ("[refusals]\nmodell = 'x'", "no setting refusals.modell; did you mean 'model'"),
        ("[scoring]\nmodes = 'x'", "no setting scoring.modes; did you mean 'mode'"),
        ("[scoring]\njudge = 'x'", "no setting scoring.judge; known: mode"),
        ("[policy]\nx = { teir = 'guard' }", "no setting policy.x.teir; did you mean 'tier'"),
        ("[models.m.policy]\nx = { drop = 1 }", "no setting models.m.policy.x.drop; did you mean"),
        (
            "[policy]\nx = { tier = 'gard' }",
            "policy.x: there is no tier 'gard'; did you mean 'guard'",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path, text, message):
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("floors = 95", "floors must be a table, [floors]"),
        ("floors = [95]", "floors must be a table, [floors]"),
        ("models = 1", "models must be a table"),
        ("[models]\nmine = 1", "models.mine must be a table, [models.mine]"),
        ("[models.mine]\nfloors = 1", "floors must be a table"),
        ("[floors]\nsafety = 'high'", "not a number"),
        ("[floors]\nsafety = true", "not a number"),
        ("[floors]\nsafety = [1, 2]", "not a number"),
        ("[floors]\nsafety = 2026-01-01", "not a number"),
        ("[floors]\nsafety = nan", "percentage of 0 or more"),
        ("[floors]\nsafety = -1", "percentage of 0 or more"),
        ("[floors]\nsafety = 0.95", "did you mean 95?"),
        ("[models.mine.floors]\nsafety = 0.9", "did you mean 90?"),
        ("[allow]\nsafety = ''", "safety needs a text"),
        ("[allow]\nsafety = true", "safety needs a text"),
        ("[models.m.allow]\nsafety = ''", "safety needs a text"),
        ("policy = 1", "policy must be a table, [policy]"),
        ("[policy]\nx = 95", 'policy.x must be a table, such as { tier = "critical" }'),
        ("[models.m.policy]\nx = 'guard'", "models.m.policy.x must be a table"),
        ("[policy]\nx = { tier = 1 }", "there is no tier 1"),
        ("[policy]\nx = { tier = ['guard'] }", "there is no tier ['guard']"),
        ("[policy]\nx = { floor = 'high' }", "the floor of x is 'high', which is not a number"),
        ("[policy]\nx = { floor = 0.95 }", "did you mean 95?"),
        ("[policy]\nx = { ceiling = 1.1 }", "the dense model exceeds a ceiling of 1.1 %"),
        ("[policy]\nx = { ceiling = 0.9 }", "did you mean 90?"),
        (
            "[policy]\nx = { max_drop = -1 }",
            "the max_drop of x is -1: give a number of points of 0",
        ),
        ("[policy]\nx = { max_drop = nan }", "the max_drop of x is nan"),
        ("[policy]\nx = { max_drop = 101 }", "scores have at most 100 points"),
        ("[policy]\nx = { max_drop = true }", "which is not a number: give a number of points"),
        ("[policy]\nx = { max_drop = 1, relative_below = 0.2 }", "did you mean 20?"),
        ("[policy]\nx = { relative_below = 20 }", "relative_below needs max_drop"),
        ("[policy]\nperformance = { max_drop = 1 }", "a dimension has only a tier and a floor"),
        ("[policy]\nsafety = { ceiling = 110 }", "a metric has no raw score that a ceiling"),
        ("[policy]\nx = { ceiling = 95 }", "the dense model exceeds a ceiling of 95 %"),
        ("[policy]\n'x@a' = { ceiling = 95, floor = 96 }", "lies below the floor of 96 %"),
        ("[policy]\nsafety = { floor = 95, max_drop = 1 }", "both a floor and max_drop"),
        (
            "[floors]\nx = 95\n[policy]\nx = { floor = 95 }",
            "x has a floor in [floors] and in [policy]",
        ),
        (
            "[models.m.floors]\nx = 95\n[models.m.policy]\nx = { floor = 95 }",
            "in [models.m.floors] and in [models.m.policy]: give one of them",
        ),
        (
            "[floors]\nx = 95\n[models.m.policy]\n'x@a' = { ceiling = 90 }",
            "the policy of x@a for the model m contradicts itself",
        ),
        ("[engine]\nthreads = 'two'", "engine.threads must be a whole number"),
        ("[engine]\nthreads = true", "engine.threads must be a whole number"),
        ("[engine]\nthreads = 1.0", "engine.threads must be a whole number"),
        ("[engine]\nthreads = 0", "threads must be at least 1"),
        ("[engine]\nname = 'vlm'", "there is no engine 'vlm'; known: hf, vllm"),
        ("[engine]\nmemory = '45'", "memory must be a share between 0 and 1"),
        ("[engine]\nmemory = 45", "memory must be a share between 0 and 1"),
        ("[engine]\nmemory = true", 'engine.memory must be a number or "auto"'),
        ("[engine]\nreplicas = 'all'", 'replicas must be a number from 1, or "auto"'),
        ("[engine]\ntensor_parallel = 0", 'tensor_parallel must be a number from 1, or "auto"'),
        ("[engine]\ntensor_parallel = 1.5", "engine.tensor_parallel must be a whole number or"),
        ("[engine]\nplacement = 1", "no setting engine.placement"),
        ("[engine]\ndevice = 1", "engine.device must be a text"),
        ("[engine]\ndevice = 'tpu'", "known: auto, cpu, cuda, mps"),
        ("[engine]\nname = 'gguf'", "no engine 'gguf'"),
        ("judge = 1", "judge must be a table, [judge]"),
        ("[judge]", "the table [judge] needs url"),
        ("[judge]\nurl = 'https://h/v1'", "the table [judge] needs model"),
        ("[judge]\nurl = 1\nmodel = 'm'", "judge.url must be a text"),
        ("[judge]\nurl = 'h/v1'\nmodel = 'm'", "[judge] url must be an address like"),
        ("[judge]\nurl = 'https://h/v1'\nmodel = ' '", "[judge] model must name"),
        (JUDGE + "key_env = 'sk-1'", "[judge] key_env is the name of an environment variable"),
        (JUDGE + "concurrency = 1.5", "judge.concurrency must be a whole number"),
        (JUDGE + "concurrency = 0", "[judge] concurrency must be above 0"),
        (JUDGE + "timeout = true", "judge.timeout must be a number"),
        (JUDGE + "timeout = nan", "[judge] timeout must be above 0"),
        (JUDGE + "patience = inf", "[judge] patience must be above 0"),
        (JUDGE + "retries = -1", "[judge] retries must be 0 or more"),
        ("[similarity]\nkind = 'words'", "[similarity] kind 'words' is not one of lexical, "),
        ("[similarity]\nkind = 1", "similarity.kind must be a text"),
        ("[similarity]\nmodel = 'm'", "[similarity] lexical has no option model"),
        ("[similarity]\nurl = 'https://h'", "[similarity] lexical has no options url"),
        (
            "[similarity]\nkind = 'sentence-transformers'",
            "[similarity] sentence-transformers needs a model",
        ),
        ("[similarity]\nkind = 'endpoint'", "[similarity] endpoint needs a model"),
        ("[similarity]\nkind = 'endpoint'\nmodel = 'm'", "[similarity] endpoint needs a url"),
        (
            "[similarity]\nkind = 'endpoint'\nmodel = 'm'\nurl = 'h'",
            "[similarity] url must be an address like",
        ),
        ("[refusals]\nkind = 'guess'", "[refusals] kind 'guess' is not one of rules, classifier"),
        ("[refusals]\nkind = 'classifier'\nmodel = 'm'", "needs both model and labels"),
        ("[refusals]\nkind = 'classifier'\nlabels = ['x']", "needs both model and labels"),
        ("[refusals]\nkind = 'classifier'\nmodel = 'm'\nlabels = [1]", "labels must be texts"),
        ("[refusals]\nkind = 'classifier'\nmodel = 'm'\nlabels = 'x'", "must be a list"),
        ("[refusals]\nlabels = ['x']", "[refusals] rules has no option labels"),
        ("[refusals]\nmodel = 'm'", "[refusals] rules has no option model"),
        ("[refusals]\nkind = 'judge'", 'refusals.kind = "judge" needs the table [judge]'),
        (JUDGE + "[refusals]\nkind = 'judge'\nmodel = 'm'", "[refusals] judge has no option model"),
        ("[scoring]\nmode = 'lenient'", "scoring.mode 'lenient' is not one of strict, compat"),
        ("[scoring]\nmode = true", "scoring.mode must be a text"),
        ("[paths]\nhome = 1", "home needs a text"),
        ("[paths]\nhome = ' '", "home needs a text"),
        ("[paths]\nhome = '~nobody-of-that-name/x'", "home"),
        ("[paths]\ndataset_root = '~nobody-of-that-name/x'", "dataset_root"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(tmp_path, text, message):
    assert message in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["[floors", "safety 95", "[floors]\na = 1\na = 2", "a = '''"])
def test_invalid_toml_is_refused(tmp_path, text):
    assert "not valid TOML" in refused(tmp_path, text)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00[")
    with pytest.raises(SpecError, match="not valid TOML"):
        load_settings(tmp_path)


tables = ("floors", "policy", "models", "allow", "engine", "paths")
instruments = ("judge", "similarity", "refusals", "scoring")
options = ("home", "threads", "url", "model", "kind", "mode", "timeout", "tier", "floor", "x")
keys = st.sampled_from((*tables, *instruments, *options))
values = st.recursive(
    st.sampled_from(["1", "0.5", "nan", "true", "''", "'~/x'", "'hf'", "1979-05-27"]),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda found: f"[{', '.join(found)}]")
        | st.dictionaries(keys, inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=5,
)


@given(st.dictionaries(keys, values, max_size=4))
@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_file_does_worse_than_being_refused(tmp_path, table):
    text = "\n".join(f"{key} = {value}" for key, value in table.items())
    try:
        found = load(tmp_path, text)
    except SpecError:
        refused(tmp_path, text)
    else:
        assert isinstance(found, Settings)


# -- where the file is -----------------------------------------------------------------------------


def test_the_nearest_folder_with_settings_counts(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / FILE).touch()
    assert project_root(inner) == tmp_path
    (tmp_path / "a" / FILE).touch()
    assert project_root(inner) == tmp_path / "a"
    assert project_root(tmp_path) == tmp_path


def test_a_folder_counts_by_itself_where_no_settings_are(tmp_path):
    assert project_root(tmp_path) == tmp_path
    assert load_settings(tmp_path).file is None


@pytest.mark.parametrize("kind", ["folder", "dangling"])
def test_settings_that_cannot_be_read_are_refused_rather_than_ignored(tmp_path, kind):
    path = tmp_path / FILE
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "gone.toml")
    assert project_root(tmp_path) == tmp_path
    with pytest.raises(SpecError, match="cannot be read"):
        load_settings(tmp_path)


def test_a_byte_order_mark_is_no_setting(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf[floors]\nsafety = 99\n")
    assert load_settings(tmp_path).policy.general == {"safety": 99.0}


@pytest.mark.parametrize(
    ("text", "early"),
    [("", "off"), ("early = false", "off"), ("early = true", "on"), ('early = "shut"', "shut")],
)
def test_asking_stops_early_only_where_the_file_says_so(tmp_path, text, early):
    assert load(tmp_path, f"[gate]\n{text}\n").early == early


@pytest.mark.parametrize("value", ['"soon"', "1", "[true]", '""'])
def test_early_is_one_of_its_words(tmp_path, value):
    assert 'gate.early must be true, false or "shut"' in refused(
        tmp_path, f"[gate]\nearly = {value}"
    )
