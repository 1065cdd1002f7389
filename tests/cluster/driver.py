"""A run that is killed: a unit that starts a child, and waits.

python -m tests.cluster.driver ADDRESS FOLDER
"""

import sys
from pathlib import Path

from tests.cluster.scripted import Script, scripted
from unicomp.cluster.ray_workers import RayWorkers
from unicomp.cluster.unit import Unit

if __name__ == "__main__":
    workers = RayWorkers(scripted, address=sys.argv[1])
    try:
        waits = Unit(name="waits", kind="answer", checkpoint="m")
        workers.submit(waits, Script(child=Path(sys.argv[2]) / "child", seconds=600))
        workers.outcomes()
    except KeyboardInterrupt:
        pass
    finally:
        workers.close()
