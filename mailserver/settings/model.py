"""The settings: one frozen tree, from one TOML file.

Every key stands, commented, in `config/mailserver.toml`.  Unknown keys are
refused by name.  Nothing here touches the disk: `load` reads the file, `check`
looks at the machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mailserver.settings.bind import check_bind
from mailserver.settings.names import (
    check_domain,
    check_identifier,
    check_route_name,
    check_time_zone,
    check_web_address,
)
from mailserver.values.address import fold_domain
from mailserver.values.ip import IpAddress, IpNetwork

SRS_KEY_FILE = "srs.key"  # in the folder of the store
MIB = 1024 * 1024
KIB = 1024

Network = IpNetwork
Binds = tuple[Annotated[str, AfterValidator(check_bind)], ...]
Domain = Annotated[str, AfterValidator(check_domain)]
# Banners, trace headers and certificates take A-labels only (RFC 5890 §2.3.2.1).
Hostname = Annotated[Domain, AfterValidator(fold_domain)]
TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceSettings(Section):
    domain: Domain
    extra_domains: tuple[Domain, ...] = ()
    former_domains: tuple[Domain, ...] = ()  # given up: what was ours there is refused for good
    hostname: Hostname  # said in banners and trace headers
    language: Literal["fr", "en"] = "fr"
    time_zone: Annotated[str, AfterValidator(check_time_zone)] = ""  # of dates that people read
    user: str = ""  # whom the processes become where `run` is started as root
    postmaster: Annotated[str, AfterValidator(check_identifier)] = (
        "postmaster"  # identifier that gets postmaster@ and abuse@
    )

    @property
    def domains(self) -> tuple[str, ...]:
        return (self.domain, *self.extra_domains)


class StoreSettings(Section):
    path: Path = Path("store")  # relative to the file's folder
    inline_limit_kib: int = Field(default=256, ge=4, le=1024)
    min_free_mib: int = Field(default=512, ge=0)
    wal_limit_mib: int = Field(default=64, ge=4)
    keep_removed_days: float = Field(default=7, ge=0)
    keep_removed_percent: float = Field(default=10, ge=0, le=100)  # of the disk
    keep_history_days: float = Field(default=30, ge=0)


class TlsSettings(Section):
    certificate: Path = Path("tls/certificate.pem")
    key: Path = Path("tls/key.pem")
    minimum: Literal["1.2", "1.3"] = "1.2"


class SmtpSettings(Section):
    mx: Binds = ("0.0.0.0:25", "[::]:25")
    submission: Binds = ("0.0.0.0:587", "[::]:587")
    submissions: Binds = ("0.0.0.0:465", "[::]:465")
    processes: int = Field(default=0, ge=0, le=256)  # 0: one per core
    max_message_mib: float = Field(default=50, gt=0)
    max_header_kib: int = Field(default=1024, ge=16)
    refuse_own_domains: tuple[Domain, ...] = ()  # as authors of what strangers bring
    max_recipients: int = Field(default=1000, ge=100)
    max_unknown_recipients: int = Field(default=50, ge=1)  # since an accepted message, then 421
    max_unknown_per_hour: int = Field(default=200, ge=1)  # of one block, beyond what it brings
    max_copies_per_block_per_hour: int = Field(default=100_000, ge=1)  # that strangers bring
    max_errors: int = Field(default=20, ge=5)  # since an accepted message, then 421
    max_connections: int = Field(default=2000, ge=1)  # of one process
    command_timeout_s: float = Field(default=300, gt=0)
    data_timeout_s: float = Field(default=180, gt=0)
    min_data_octets_per_s: float = Field(default=500, ge=0)  # 0: any pace will do


class Pop3Settings(Section):
    pop3: Binds = ("0.0.0.0:110", "[::]:110")
    pop3s: Binds = ("0.0.0.0:995", "[::]:995")
    processes: int = Field(default=0, ge=0, le=256)
    max_connections: int = Field(default=5000, ge=1)
    idle_timeout_s: float = Field(default=600, ge=600)  # RFC 1939 §3
    max_errors: int = Field(default=20, ge=5)  # in a row
    lock_wait_s: float = Field(default=5, ge=0, le=60)  # of a sign-in for a maildrop in use
    yield_s: float = Field(default=60, ge=1)  # then a silent holder makes room for who waits


class WebSettings(Section):
    """Off without a listener."""

    https: Binds = ()
    http: Binds = ()  # for a reverse proxy, which adds TLS
    proxies: tuple[Network, ...] = ()  # that may speak http besides this machine itself
    url: Annotated[str, AfterValidator(check_web_address)] = ""  # where strangers reach the door
    processes: int = Field(default=1, ge=1, le=256)
    max_connections: int = Field(default=500, ge=1)  # of one process
    timeout_s: float = Field(default=20, gt=0)  # of a handshake, of a request
    requests_per_minute: int = Field(default=120, ge=1)  # of one address


class ConnectionsSettings(Section):
    """What connections of all doors have in common."""

    keepalive_s: float = Field(default=60, ge=1)  # of silence, then the peer is asked
    keepalive_probe_s: float = Field(default=15, ge=1)  # between two questions
    keepalive_probes: int = Field(default=4, ge=1)
    unacknowledged_s: float = Field(default=300, ge=300)  # shorter would end living peers
    gateways: tuple[IpAddress, ...] = ()  # that may stand for anybody
    per_block: int = Field(default=100, ge=1)  # of strangers, at all processes of one door
    per_known_block: int = Field(default=1000, ge=1)  # where people signed in within known_days
    per_account: int = Field(default=50, ge=1)  # signed in; more count as strangers'
    ipv4_bits: int = Field(default=32, ge=8, le=32)
    ipv6_bits: int = Field(default=64, ge=16, le=128)
    wide_ipv4_bits: int = Field(default=24, ge=8, le=32)
    wide_ipv6_bits: int = Field(default=48, ge=16, le=128)
    wide_factor: int = Field(default=4, ge=1)  # a wider block may hold so many times as many


class AuthSettings(Section):
    allow_plaintext_on_loopback: bool = False
    hash_threads: int = Field(default=0, ge=0)  # 0: one per core
    hash_queue: int = Field(default=64, ge=1)
    cache_hours: float = Field(default=24, ge=0)
    max_failures_per_session: int = Field(default=5, ge=1)
    numen_key: Path = Path("numen.key")  # relative to the file's folder
    free_failures: int = Field(default=5, ge=1)  # different wrong passwords of one name and block
    block_accounts: int = Field(default=50, ge=1)  # that fail from one block before it is slowed
    block_ipv4_bits: int = Field(default=24, ge=8, le=32)
    block_ipv6_bits: int = Field(default=64, ge=16, le=128)
    known_days: float = Field(default=30, ge=0)  # a log-in from a block spares it the block's pace
    trusted_networks: tuple[Network, ...] = ()  # whose addresses are not counted


class PasswordsSettings(Section):
    min_characters: int = Field(default=10, ge=8, le=64)
    change_first: bool = False  # a first password is to be changed; needs a place where people can
    grace_days: float = Field(default=30, ge=0)  # of a first password in mail programs; 0: endless
    warning_days: tuple[Annotated[float, Field(gt=0)], ...] = (7, 1)  # before the grace ends
    mailed_code_minutes: float = Field(default=30, gt=0)
    handed_code_days: float = Field(default=7, gt=0)
    max_code_tries: int = Field(default=5, ge=1)
    max_requests_per_hour: int = Field(default=5, ge=1)  # of codes, for one account


class LegacySettings(Section):
    """For programs that know nothing newer (Outlook Express, Windows 7)."""

    enabled: bool = False
    networks: tuple[Network, ...] = ()
    submissions: Binds = ()
    pop3s: Binds = ()
    minimum: TlsVersion = "1.0"


class RelaySettings(Section):
    """Who may send elsewhere without signing in: machines that cannot (copiers, applications)."""

    trusted_networks: tuple[Network, ...] = ()
    max_hops: int = Field(default=50, ge=10)  # Received fields; more is a loop


class DnsSettings(Section):
    servers: tuple[Annotated[str, AfterValidator(check_bind)], ...] = ()  # none: as the system
    timeout_s: float = Field(default=5, gt=0)  # of one question to one server
    lifetime_s: float = Field(default=30, gt=0)  # of all questions about one destination
    validates: Literal["auto", "yes", "no"] = "auto"  # does the resolver check DNSSEC?


class DeliverySettings(Section):
    processes: int = Field(default=1, ge=0, le=64)
    port: int = Field(default=25, ge=1, le=65535)  # of the hosts that MX records name
    ip: Literal["both", "ipv4", "ipv6"] = "both"
    source_addresses: tuple[IpAddress, ...] = ()
    own_addresses: tuple[IpAddress, ...] = ()  # that a gateway translates to us
    internal_networks: tuple[Network, ...] = ()  # not public, and mail may go there
    max_connections: int = Field(default=200, ge=1)  # of one process
    destination_connections: int = Field(default=20, ge=1)  # to one set of hosts
    destination_pause_s: float = Field(default=0, ge=0)  # between messages to one set of hosts
    max_recipients: int = Field(default=100, ge=1, le=1000)  # of one transaction
    max_messages: int = Field(default=1000, ge=1)  # over one connection
    max_hosts: int = Field(default=5, ge=1, le=100)  # asked in one try of a message
    idle_s: float = Field(default=5, ge=0)  # an unused connection is kept this long
    retry_minutes: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(5, 10, 20, 40, 60, 120, 240), min_length=1
    )
    expire_hours: float = Field(default=120, gt=0)
    delay_notice_hours: tuple[Annotated[float, Field(gt=0)], ...] = (2, 24)
    connect_timeout_s: float = Field(default=30, gt=0)
    greeting_timeout_s: float = Field(default=300, gt=0)  # RFC 5321 §4.5.3.2, and so the next ones
    command_timeout_s: float = Field(default=300, gt=0)
    data_timeout_s: float = Field(default=120, gt=0)
    block_timeout_s: float = Field(default=180, gt=0)
    dot_timeout_s: float = Field(default=600, gt=0)
    fallback: str = ""  # name of the route for what no host of its own takes
    dane: bool = True
    mta_sts: bool = True
    tls: Literal["opportunistic", "encrypt", "verify"] = "opportunistic"  # at least


class RouteSettings(Section):
    """One rule: the first that matches decides.  Every kind of matcher that is set must match."""

    name: Annotated[str, AfterValidator(check_route_name)]
    recipient_domains: tuple[str, ...] = ()  # "example.org", ".example.org" (those below)
    senders: tuple[str, ...] = ()  # addresses, or domains as above
    accounts: tuple[str, ...] = ()  # identifiers
    mx: tuple[str, ...] = ()  # "*.example.net": where the domain's first MX host matches
    via: Literal["mx", "smarthost", "lmtp", "hold", "refuse"] = "mx"
    host: str = ""
    port: int = Field(default=0, ge=0, le=65535)  # 0: 25, 587 with a password, 465, 24
    user_name: str = ""
    password_file: Path | None = None
    tls: Literal["none", "opportunistic", "encrypt", "verify", "implicit"] | None = None
    text: str = ""  # what the sender is told on refuse; why on hold
    max_connections: int = Field(default=0, ge=0)  # 0: as [delivery] says
    pause_s: float = Field(default=0, ge=0)


class DkimSettings(Section):
    enabled: bool = True
    folder: Path = Path("dkim")  # <selector>.pem, made by `init`
    selectors: tuple[str, ...] = ("mo1", "mo2")  # RSA and Ed25519, whatever each key is


class QuotaSettings(Section):
    grace_percent: float = Field(default=110, ge=100, le=200)  # 452 up to here, then 552


class ClassSettings(Section):
    """What accounts of one class may keep and send; 0: no limit.  "default": all the others."""

    name: Annotated[str, AfterValidator(check_route_name)]
    quota_mib: float = Field(default=0, ge=0)
    quota_messages: int = Field(default=0, ge=0)
    # What an académie uses: room for a circular to all families of a school, none for a worm.
    recipients_per_minute: int = Field(default=500, ge=0)
    recipients_per_10_minutes: int = Field(default=800, ge=0)
    recipients_per_hour: int = Field(default=2000, ge=0)
    recipients_per_10_hours: int = Field(default=5000, ge=0)
    sends_per_hour: int = Field(default=0, ge=0)
    sends_per_day: int = Field(default=0, ge=0)
    recipients_per_day: int = Field(default=0, ge=0)
    new_recipients_per_day: int = Field(default=0, ge=0)
    bulk: bool = False  # sends as much as it wants


class ForwardingSettings(Section):
    """Copies that leave our domains because a person wants their mail elsewhere."""

    enabled: bool = True
    sender_days: int = Field(default=21, ge=1, le=500)  # bounces come back for this long
    max_per_mailbox_per_hour: int = Field(default=500, ge=1)  # beyond, mail stays there
    max_per_block_per_hour: int = Field(default=20_000, ge=1)  # of strangers' addresses


class CatchAllSettings(Section):
    """One domain of ours whose unknown addresses all lead to one address."""

    domain: Domain
    address: str


class DirectorySettings(Section):
    """Imports of people and units, and what becomes of those who leave."""

    max_leaving_percent: float = Field(default=10, ge=0, le=100)  # of an apply without --yes
    left_days: float = Field(default=90, ge=0)  # mail of those who left is forwarded, then gone
    quarantine_years: float = Field(default=5, ge=0, le=100)  # of names that were given
    alias_rules: str = ""  # file, relative to this one's folder; empty: the program's own


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(Section):
    service: ServiceSettings
    store: StoreSettings = StoreSettings()
    tls: TlsSettings = TlsSettings()
    smtp: SmtpSettings = SmtpSettings()
    pop3: Pop3Settings = Pop3Settings()
    web: WebSettings = WebSettings()
    connections: ConnectionsSettings = ConnectionsSettings()
    auth: AuthSettings = AuthSettings()
    passwords: PasswordsSettings = PasswordsSettings()
    legacy: LegacySettings = LegacySettings()
    relay: RelaySettings = RelaySettings()
    delivery: DeliverySettings = DeliverySettings()
    routes: tuple[RouteSettings, ...] = ()
    dns: DnsSettings = DnsSettings()
    dkim: DkimSettings = DkimSettings()
    quota: QuotaSettings = QuotaSettings()
    classes: tuple[ClassSettings, ...] = ()
    forwarding: ForwardingSettings = ForwardingSettings()
    catch_all: tuple[CatchAllSettings, ...] = ()
    directory: DirectorySettings = DirectorySettings()
    log: LogSettings = LogSettings()
    source: Annotated[Path | None, Field(exclude=True)] = None  # the file this came from
