"""Energy is what the counters of the working device report, or nothing."""

# ruff: noqa: N802 (the fake's functions have NVML's names)

from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from unicomp.efficiency.energy import Meter, device_meter, processor_meter
from unicomp.machine import gpus, nvml


@pytest.fixture
def powercap(tmp_path):
    """A folder like the kernel's: two packages, the cores of one, its memory, and the platform."""

    def zone(name, label, microjoules, limit=262_143_328_850):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(f"{label}\n")
        (folder / "energy_uj").write_text(f"{microjoules}\n")
        (folder / "max_energy_range_uj").write_text(f"{limit}\n")

    (tmp_path / "intel-rapl").mkdir()
    zone("intel-rapl:0", "package-0", 1_000_000)
    zone("intel-rapl:0:0", "core", 1_000_000)
    zone("intel-rapl:0:1", "dram", 1_000_000)
    zone("intel-rapl:1", "package-1", 1_000_000)
    zone("intel-rapl:2", "psys", 1_000_000)
    zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    return tmp_path


def count(powercap, zone, microjoules):
    (powercap / zone / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_and_their_memory_count_once(powercap):
    meter = processor_meter(powercap)
    meter.start()
    for zone in powercap.glob("*:*"):
        count(powercap, zone.name, 3_500_000)
    assert meter.stop() == pytest.approx(3 * 2.5)


def test_a_counter_that_begins_anew_is_followed(powercap):
    meter = processor_meter(powercap)
    count(powercap, "intel-rapl:0", 262_143_000_000)
    meter.start()
    count(powercap, "intel-rapl:0", 1_671_150)
    assert meter.stop() == pytest.approx(2.0)


def test_each_start_begins_at_nothing(powercap):
    meter = processor_meter(powercap)
    meter.start()
    count(powercap, "intel-rapl:0", 5_000_000)
    assert meter.stop() == pytest.approx(4.0)
    meter.start()
    assert meter.stop() == 0.0


def test_a_machine_without_counters_reports_nothing(tmp_path):
    meter = processor_meter(tmp_path / "none")
    meter.start()
    assert meter.stop() is None


def test_counters_for_the_administrator_only_count_nothing(powercap, monkeypatch):
    read = Path.read_text

    def refuse(path, *rest, **more):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *rest, **more)

    monkeypatch.setattr(Path, "read_text", refuse)
    assert processor_meter(powercap).counters == ()


def test_a_counter_that_says_nonsense_is_none(powercap):
    (powercap / "intel-rapl:1" / "energy_uj").write_text("\n")
    assert processor_meter(powercap).counters == ()


def test_a_counter_that_goes_away_leaves_the_measurement_alone(powercap):
    meter = processor_meter(powercap)
    meter.start()
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.stop() is None
    meter.start()
    assert meter.stop() is None


def test_no_counter_is_not_no_energy():
    meter = Meter()
    meter.start()
    assert meter.stop() is None


# -- GPUs ---------------------------------------------------------------------------------------


class Driver:
    """Answers for NVML: two GPUs that have spent 5 and 7 joules."""

    uuids = ("GPU-aa", "GPU-bb")

    def __init__(self):
        self.millijoules = [5000, 7000]

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        if index >= 2:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid not in self.uuids:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return self.uuids.index(uuid)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self.millijoules[handle]

    def nvmlDeviceGetName(self, handle):
        return "Some GPU"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(total=(handle + 1) * 10**9)

    def nvmlDeviceGetMaxClockInfo(self, handle, kind):
        return {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}[kind]

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 700_000

    def nvmlSystemGetDriverVersion(self):
        return "580.1"


def failing(code):
    """A function of NVML that fails."""

    def fail(*arguments):
        raise pynvml.NVMLError(code)

    return fail


@pytest.fixture
def driver(monkeypatch):
    driver = Driver()
    for name in vars(Driver):
        if name.startswith("nvml"):
            monkeypatch.setattr(pynvml, name, getattr(driver, name))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml._has_driver.cache_clear()
    yield driver
    nvml._has_driver.cache_clear()


@pytest.mark.parametrize(("visible", "joules"), [(None, 1.0), ("1", 0.5), ("GPU-bb,GPU-aa", 0.5)])
def test_the_first_visible_gpu_counts_and_no_other(driver, monkeypatch, visible, joules):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    meter = device_meter("cuda")
    meter.start()
    driver.millijoules = [6000, 7500]
    assert meter.stop() == pytest.approx(joules)


@pytest.mark.parametrize("visible", ["", "-1", "9"])
def test_without_a_visible_gpu_nothing_counts(driver, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_meter("cuda").counters == ()


def test_an_engine_on_the_processor_spends_the_energy_of_the_processor(driver, powercap):
    meter = device_meter("cpu", powercap)
    assert [counter.read() for counter in meter.counters] == [1.0] * 3
    count(powercap, "intel-rapl:0", 9_000_000)
    assert [counter.read() for counter in meter.counters] == [9.0, 1.0, 1.0]


def test_a_gpu_that_does_not_count_its_energy_has_no_meter(driver, monkeypatch):
    fail = failing(pynvml.NVML_ERROR_NOT_SUPPORTED)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", fail)
    assert device_meter("cuda").counters == ()


@pytest.mark.parametrize(
    "code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED]
)
def test_without_a_driver_that_starts_there_are_no_gpus(driver, monkeypatch, code):
    monkeypatch.setattr(pynvml, "nvmlInit", failing(code))
    assert nvml.gpus() == ()
    assert nvml.driver() is None


def test_a_gpu_says_what_decides_its_speed(driver):
    (gpu, _) = nvml.gpus()
    assert (gpu.name, gpu.max_clocks, gpu.power_limit) == ("Some GPU", (1980, 2619), 700.0)
    assert gpu.joules() == 5.0
    assert nvml.driver() == "580.1"


def test_what_a_driver_does_not_report_is_an_error_in_one_line(driver, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", failing(pynvml.NVML_ERROR_NOT_SUPPORTED))
    with pytest.raises(OSError, match=r"^fail failed: Not Supported$"):
        _ = nvml.gpus()[0].name


def test_the_energy_of_a_checkpoint_on_several_gpus_is_that_of_all(driver):
    meter = device_meter("cuda", gpus=2)
    meter.start()
    driver.millijoules = [6000, 9500]
    assert meter.stop() == pytest.approx(1 + 2.5)


@pytest.mark.parametrize(
    ("visible", "ids"),
    [(None, ["0", "1"]), ("1,0", ["1", "0"]), ("GPU-bb", ["GPU-bb"]), ("", []), ("7", [])],
)
def test_the_gpus_that_are_left_to_this_process_are_counted(driver, monkeypatch, visible, ids):
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    found = gpus.visible()
    assert [gpu.id for gpu in found] == ids
    memory = {"0": 10**9, "1": 2 * 10**9, "GPU-bb": 2 * 10**9}
    assert [gpu.memory for gpu in found] == [memory[name] for name in ids]
    assert gpus.environment(found)[gpus.VISIBLE] == ",".join(ids)


def test_gpus_whose_memory_is_not_reported_are_not_counted(driver, monkeypatch):
    fail = failing(pynvml.NVML_ERROR_NOT_SUPPORTED)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", fail)
    assert gpus.visible() == ()
