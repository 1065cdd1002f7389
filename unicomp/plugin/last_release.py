"""`--baseline`: the last release's scorecard, checked before the run and compared after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unicomp import scorecard_file
from unicomp.item_records import RecordSource
from unicomp.plugin.environment import source_of
from unicomp.policy import Policy
from unicomp.scorecard import Scorecard
from unicomp.spec import Benchmark, CheckpointId, Model
from unicomp.store import Store, file_digest


@dataclass(frozen=True)
class LastRelease:
    """The scorecard of the last release, read before the run."""

    path: Path
    digest: str
    """The SHA-256 of its file."""
    card: Scorecard

    @classmethod
    def read(
        cls, path: Path, models: Iterable[Model], checkpoints: Iterable[CheckpointId]
    ) -> LastRelease:
        """Read it. Raises SpecError if it is no scorecard, or not about this run's models."""
        from unicomp.comparison import check_comparable

        card = scorecard_file.read(path)
        origins = {model.name: (source_of(model), model.revision) for model in models}
        check_comparable(f"--baseline {path}", card, origins, set(checkpoints))
        return cls(path, file_digest(path), card)

    def held_against(
        self, card: Scorecard, policy: Policy, store: Store, benchmarks: Mapping[str, Benchmark]
    ) -> Scorecard:
        """The scorecard of this run with its comparison, and the verdicts that follow from it.

        `benchmarks` has the declarations by which the answers were scored.
        """
        from unicomp.comparison import compare, gated, most_fall_of

        found = compare(
            self.card,
            card,
            most_fall=most_fall_of(policy),
            behind=RecordSource(store=store).behind,
            benchmarks=benchmarks,
            baseline=self.path.name,
            digest=self.digest,
        )
        return gated(card, found, self.card, policy)
