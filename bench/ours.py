"""Our side: a service made by `mailserver init` in a folder of its own, run as people run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw

from bench.cpu import find_tree, open_meter
from bench.load import collect
from bench.process import end_process, find_free_ports, greets, last_line, run, wait_until
from bench.side import DOMAIN, BenchError, Ports
from mailserver.settings.template import Value, fill_in

_CLI = (sys.executable, "-c", "import sys; from mailserver.cli.main import main; sys.exit(main())")
SERVICE_USER = "nobody"
_START_TIMEOUT_S = 30.0
_RELAY_TIMEOUT_S = 120.0
_QUEUED_FOR_SINK = """
    SELECT 1 FROM queue WHERE destination_id =
        (SELECT destination_id FROM destination WHERE next_hop = 'route:sink') LIMIT 1"""
_STOP_GRACE_S = 15.0  # a worker may take 10 s to drain


class Ours:
    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        *,
        processes: int | None = None,
        label: str = "Mél ouvert",
        sink_port: int = 0,
        bad_ports: tuple[int, int] | None = None,
        signs: bool = False,
    ) -> None:
        """processes: of each door; None: the default, by the number of cores.
        sink_port: where everything goes that is not for a mailbox; 0: nothing is relayed.
        bad_ports: of a slow and of a mute next hop (lent.example, muet.example).
        signs: what leaves is signed (DKIM).
        """
        smtp, pop3, *self._other_ports = find_free_ports(5)
        self.ports = Ports(smtp=smtp, pop3=pop3)
        self.label = label
        self.meter = open_meter(f"ours-{folder.name}")
        self.notes: Sequence[str] = ()
        self._folder = folder
        self._names = list(names)
        self._processes = processes
        self._sink_port = sink_port
        self._bad_ports = bad_ports
        self._signs = signs
        self._process: subprocess.Popen[bytes] | None = None
        self._marked = 0

    @property
    def config(self) -> Path:
        return self._folder / "mailserver.toml"

    def configure(self) -> None:
        """Make the service, give it ports of its own, and its accounts.

        All services of a run begin as copies of one: `init` makes keys, which takes a while.
        """
        new = self._folder.parent / "new"
        if not new.exists():
            # Root serves no address that others reach: its service runs as another user.
            user = ["--user", SERVICE_USER] if os.geteuid() == 0 else []
            run([*_CLI, "init", str(new), "--domain", DOMAIN, "--high-ports", *user])
        shutil.copytree(new, self._folder)
        self._give_store()
        text = fill_in(self.config.read_text("utf-8"), self._choose())
        self.config.write_text(text + self._routes(), "utf-8")
        if self._names:
            command = [sys.executable, "-m", "bench.fill", "accounts", str(self.config)]
            run(command, stdin="\n".join(self._names))

    def _give_store(self) -> None:
        """A copy that root makes is root's."""
        if os.geteuid() == 0:
            self._folder.chmod(0o711)
            store = self._folder / "store"
            for path in (store, *store.rglob("*")):
                shutil.chown(path, SERVICE_USER, group=None)

    def _choose(self) -> Mapping[str, Value]:
        submission, submissions, pop3s = self._other_ports
        chosen: dict[str, Value] = {
            "smtp.mx": [f"127.0.0.1:{self.ports.smtp}"],
            "smtp.submission": [f"127.0.0.1:{submission}"],
            "smtp.submissions": [f"127.0.0.1:{submissions}"],
            "pop3.pop3": [f"127.0.0.1:{self.ports.pop3}"],
            "pop3.pop3s": [f"127.0.0.1:{pop3s}"],
            "classes.quota_mib": 0,  # the peer has none
            "dkim.enabled": self._signs,
            "dns.servers": ["127.0.0.1:9"],  # nobody: no traffic beyond this machine
        }
        if self._sink_port:
            # Listeners on loopback alone may not trust it, and others take no password in clear.
            chosen["smtp.mx"] = [f"0.0.0.0:{self.ports.smtp}"]
            chosen["relay.trusted_networks"] = ["127.0.0.0/8"]
            chosen["auth.allow_plaintext_on_loopback"] = False
        if self._processes is not None:
            chosen |= {"smtp.processes": self._processes, "pop3.processes": self._processes}
        return chosen

    def _routes(self) -> str:
        slow, mute = self._bad_ports or (0, 0)
        return (
            _route("lent", slow, domain="lent.example")
            + _route("muet", mute, domain="muet.example")
            + _route("sink", self._sink_port)
        )

    def queue_command(self, *words: str) -> None:
        """`mailserver queue ...` on this service."""
        run([*_CLI, "queue", *words, "--config", str(self.config)])

    def fill(self, name: str, count: int) -> None:
        """Put `count` small messages into a mailbox.  Only while it is not running."""
        command = [sys.executable, "-m", "bench.fill", "mailbox", str(self.config), name]
        run([*command, str(count)], timeout_s=600)

    def fill_queue(self, count: int, hops: Sequence[str]) -> None:
        """Queue `count` small messages, spread evenly over the next hops."""
        command = [sys.executable, "-m", "bench.fill", "queue", str(self.config), str(count)]
        run([*command, *hops], timeout_s=600)

    def start(self) -> None:
        command = self.meter.wrap([*_CLI, "run", "--config", str(self.config)])
        log_path = self._folder / "bench.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.meter.watch(self._process.pid)
        try:
            wait_until(self._answers, what="our ports", timeout_s=_START_TIMEOUT_S)
        except BenchError as error:
            raise BenchError(f"{error} (it said: {last_line(log_path)})") from error

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise BenchError(f"our service ended with status {self._process.returncode}")
        return greets(self.ports.smtp, b"220 ") and greets(self.ports.pop3, b"+OK")

    def find_processes(self) -> list[int]:
        """Every process of the running service."""
        return find_tree([self._process.pid]) if self._process is not None else []

    def mark(self, names: Sequence[str]) -> None:
        self._marked = collect(self.ports, "count", names).messages

    def wait_delivered(self) -> None:
        """Nothing to wait for: 250 means that the copies are in their mailboxes."""

    def wait_relayed(self) -> None:
        """Nothing is queued for the sink: every copy is settled, durably."""
        store = apsw.Connection(
            str(self._folder / "store" / "mail.db"), flags=apsw.SQLITE_OPEN_READONLY
        )
        try:
            wait_until(
                lambda: not store.execute(_QUEUED_FOR_SINK).fetchall(),
                what="our queue",
                timeout_s=_RELAY_TIMEOUT_S,
            )
        finally:
            store.close()

    def verify(self, names: Sequence[str], count: int) -> None:
        found = collect(self.ports, "count", names).messages - self._marked
        if found != count:
            raise BenchError(f"{self.label}: {count} copies answered 250, {found} in mailboxes")

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process, grace_s=_STOP_GRACE_S)
            self._process = None
        self.meter.close()


def _route(name: str, port: int, *, domain: str = "") -> str:
    """A rule that sends a domain, or everything, to a loopback port; nothing for port 0."""
    if not port:
        return ""
    matcher = f'recipient_domains = ["{domain}"]\n' if domain else ""
    return (
        f'\n[[routes]]\nname = "{name}"\n{matcher}via = "smarthost"\nhost = "127.0.0.1"\n'
        f'port = {port}\ntls = "none"\n'
    )


def explain_missing() -> str | None:
    """One line if this checkout has no service to run yet; None: it has."""
    try:
        run([*_CLI, "version"], timeout_s=30)
    except BenchError as error:
        return f"our own side does not run: {error}"
    return None
