"""Energy is what the counters of the device say that does the work, or nothing."""

# ruff: noqa: N802 (the functions of a library in C have its names)

import ctypes
from types import SimpleNamespace

import pytest

from unicomp.efficiency import nvml
from unicomp.efficiency.energy import GpuCounter, Meter, device_meter, processor_meter


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


def test_a_machine_without_counters_tells_nothing(tmp_path):
    meter = processor_meter(tmp_path / "none")
    meter.start()
    assert meter.stop() is None


def test_counters_for_the_administrator_only_count_nothing(powercap, monkeypatch):
    def refuse(path, *rest, **more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("unicomp.efficiency.energy.RaplCounter.read", refuse)
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


class Library:
    """Stands in for the driver's library: two GPUs that have spent 5 and 7 joules."""

    status = 0
    names = (b"GPU-aa", b"GPU-bb")

    def __init__(self):
        self.millijoules = [5000, 7000]

    def _give(self, place, value):
        place._obj.value = value
        return self.status

    def nvmlDeviceGetCount_v2(self, number):
        return self._give(number, 2)

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):
        return self._give(handle, index.value + 1) if index.value < 2 else 2

    def nvmlDeviceGetHandleByUUID(self, name, handle):
        return self._give(handle, self.names.index(name) + 1) if name in self.names else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, energy):
        return self._give(energy, self.millijoules[handle.value - 1])

    def nvmlDeviceGetName(self, handle, text, length):
        text.value = b"Some GPU"
        return 0

    def nvmlDeviceGetMaxClockInfo(self, handle, kind, clock):
        return self._give(clock, {1: 1980, 2: 2619}[kind.value])

    def nvmlDeviceGetEnforcedPowerLimit(self, handle, limit):
        return self._give(limit, 700_000)

    def nvmlSystemGetDriverVersion(self, text, length):
        text.value = b"580.1"
        return 0


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setattr(nvml, "_library", lambda: library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return library


@pytest.mark.parametrize(("visible", "joules"), [(None, 1.0), ("1", 0.5), ("GPU-bb,GPU-aa", 0.5)])
def test_the_first_visible_gpu_counts_and_no_other(library, monkeypatch, visible, joules):
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    meter = device_meter("cuda")
    meter.start()
    library.millijoules = [6000, 7500]
    assert meter.stop() == pytest.approx(joules)


@pytest.mark.parametrize("visible", ["", "-1", "9"])
def test_without_a_visible_gpu_nothing_counts(library, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_meter("cuda").counters == ()


def test_an_engine_on_the_processor_spends_the_energy_of_the_processor(library, powercap):
    meter = device_meter("cpu", powercap)
    assert [counter.zone.parent for counter in meter.counters] == [powercap] * 3


def test_a_gpu_that_does_not_count_tells_nothing(library):
    library.nvmlDeviceGetTotalEnergyConsumption = lambda handle, energy: 3
    assert device_meter("cuda").counters == ()


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    monkeypatch.setattr(nvml, "LIBRARY", "libthere-is-no-such-library.so")
    nvml._library.cache_clear()
    try:
        assert nvml.gpus() == ()
        assert nvml.driver() is None
    finally:
        nvml._library.cache_clear()


def test_a_driver_that_does_not_start_is_none(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(nvmlInit_v2=lambda: 9))
    nvml._library.cache_clear()
    try:
        assert nvml.gpus() == ()
    finally:
        nvml._library.cache_clear()


def test_a_gpu_says_what_decides_its_speed(library):
    (gpu, _) = nvml.gpus()
    assert (gpu.name, gpu.max_clocks, gpu.power_limit) == ("Some GPU", (1980, 2619), 700.0)
    assert GpuCounter(gpu).read() == 5.0
    assert nvml.driver() == "580.1"
