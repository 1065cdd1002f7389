"""`unicomp cache`: list the store, verify its checkpoints, make room, or share it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from unicomp import cache
from unicomp.commands import arguments
from unicomp.commands.arguments import Commands
from unicomp.commands.progress import Teller
from unicomp.errors import CorruptedError, SpecError, UpstreamError
from unicomp.settings import load_settings, project_root, store_home, store_upstream
from unicomp.store import Store
from unicomp.units import amount

if TYPE_CHECKING:
    from unicomp.upstream.selection import Copied

_DAY = 86400.0
_SHARING = ("push", "pull")
_ACTIONS = ("list", "verify", "prune", *_SHARING)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("cache", help="list, verify, prune or share the store")
    actions = (
        "list its entries, verify the checkpoints, prune what is old; push to the upstream what it "
        "lacks, or pull from it (default: %(default)s)"
    )
    parser.add_argument("action", nargs="?", choices=_ACTIONS, default="list", help=actions)
    parser.add_argument("--unicomp-home", metavar="DIR", type=arguments.path, help=arguments.STORE)
    days = "prune entries older than this (default: %(default)s; 0 for everything)"
    parser.add_argument(
        "--older-than", metavar="DAYS", type=arguments.amount, default=30.0, help=days
    )
    upstream = "the URL to push to or pull from (default: UNICOMP_UPSTREAM, or [store] upstream)"
    parser.add_argument("--upstream", metavar="URL", help=upstream)
    for option in ("--model", "--method"):
        chosen = f"push or pull what belongs to this {option[2:]}; repeatable (default: everything)"
        parser.add_argument(option, metavar="NAME", action="append", default=[], help=chosen)
    parser.add_argument("--dry-run", action="store_true", help="copy nothing, print the sizes")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 if a checkpoint, or an object of the upstream, is damaged."""
    settings = load_settings(project_root(Path.cwd()))
    home = store_home(options.unicomp_home, settings)
    if options.action in _SHARING:
        return _share(options, home, options.upstream or store_upstream(settings))
    for option in ("upstream", "model", "method", "dry_run"):
        if getattr(options, option):
            name = option.replace("_", "-")
            raise SpecError(f"--{name} is for `unicomp cache push` and `unicomp cache pull`")
    if options.unicomp_home is not None and not home.is_dir():
        raise SpecError(f"--unicomp-home {options.unicomp_home}: there is no store")
    store = Store(home)
    if options.action == "verify":
        found = list(cache.damaged(store))
        for path, reason in found:
            print(f"damaged: {path}: {reason}; remove the folder, and it is built again")
        if not found:
            print(f"all checkpoints in {store.home} are intact")
        return 1 if found else 0
    if options.action == "prune":
        gone = cache.prune(store, options.older_than * _DAY)
        print(f"removed {len(gone)} entries, {amount(sum(entry.size for entry in gone), 'bytes')}")
        return 0
    columns = ("kind", "content", "size", "changed", "key")
    table = Table(*columns, title=str(store.home), pad_edge=False)
    entries = list(cache.entries(store))
    for entry in entries:
        changed = datetime.fromtimestamp(entry.changed).strftime("%Y-%m-%d %H:%M")
        table.add_row(entry.kind, entry.label, amount(entry.size, "bytes"), changed, entry.key[:12])
    console = Console(highlight=False)
    console.print(table)
    console.print(amount(sum(entry.size for entry in entries), "bytes"))
    return 0


def _share(options: argparse.Namespace, home: Path, url: str | None) -> int:
    """Push or pull, and print what was copied; 1 if something on the upstream is corrupted."""
    from unicomp.upstream import open_upstream
    from unicomp.upstream.pulling import pull
    from unicomp.upstream.pushing import push
    from unicomp.upstream.selection import Chosen
    from unicomp.upstream.taking import UpstreamStore

    if url is None:
        raise SpecError(
            "there is no upstream: give --upstream URL, or set it under [store] in unicomp.toml"
        )
    chosen = Chosen(models=options.model, methods=options.method)
    if options.action == "push" and not home.is_dir():
        raise SpecError(f"there is no store {home}: there is nothing to push")
    objects = open_upstream(home, url)
    objects.check(create=options.action == "push")
    tell = Teller()
    refused: list[CorruptedError] = []

    def on_error(error: UpstreamError) -> None:
        if not isinstance(error, CorruptedError):
            raise error
        refused.append(error)
        print(f"unicomp: {error}", file=sys.stderr)

    if options.action == "push":
        done = push(
            Store(home),
            objects,
            chosen,
            dry=options.dry_run,
            on_progress=lambda label, count, total: tell(
                lambda: f"pushing {label}, {amount(count, 'bytes')} of {amount(total, 'bytes')}"
            ),
        )
    else:
        store = UpstreamStore(home, objects, lambda text: tell(lambda: text), on_error)
        done = pull(store, chosen, dry=options.dry_run)
    _print_copied(done, options.action, objects.url, dry=options.dry_run)
    return 1 if refused else 0


def _print_copied(copied: Iterable[Copied], action: str, url: str, *, dry: bool) -> None:
    """Print what was copied, one line for each kind and checkpoint."""
    verb = f"to {action}" if dry else {"push": "pushed", "pull": "pulled"}[action]
    table = Table("kind", "content", "size", verb, title=url, pad_edge=False)
    groups: dict[tuple[str, str], list[Copied]] = {}
    for one in copied:
        groups.setdefault((one.kind, one.label), []).append(one)
    for (kind, label), own in groups.items():
        size, new = sum(one.size for one in own), sum(one.new_size for one in own)
        table.add_row(kind, label, amount(size, "bytes"), amount(new, "bytes") if new else "-")
    console = Console(highlight=False)
    console.print(table)
    every = [one for own in groups.values() for one in own]
    new, size = sum(one.new for one in every), sum(one.new_size for one in every)
    console.print(
        f"{verb}: {new:,} of {sum(one.objects for one in every):,} objects, {amount(size, 'bytes')}"
    )
