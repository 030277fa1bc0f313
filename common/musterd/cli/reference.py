"""The configuration reference is written from the declarations themselves.

``python -m musterd.cli.reference > docs/configuration.md`` refreshes the page.
"""

from collections.abc import Iterator

from musterd.settings.novaconf import EMBEDDED
from musterd.settings.options import Number, Option, OptionTable, Role, Switch, variable
from musterd.settings.settings import OPTIONS, default_text

_TITLES = {
    Role.EVERYONE: "For every command",
    Role.CONNECTION: "For everything that connects by TLS",
    Role.AGENT: "For the agent",
    Role.COORDINATOR: "For the coordinator",
    Role.LISTENER: "For whatever listens",
    Role.RELAY: "For the relay",
    Role.DOOR: "For `musterd nova`, and coordinators that a stock Nova asks",
    Role.NOVA: "For `musterd nova`",
    Role.NOTIFY: "For `musterd notify`",
    Role.READER: "For commands that ask a coordinator",
}

_INTRODUCTION = """\
<!-- Written by `python -m musterd.cli.reference > docs/configuration.md`; do not edit. -->
# Configuration

Every option can be given on the command line, in the environment, or in a file. Where several
give it, the command line wins over the environment, the environment over the file, and the file
over the default. `musterd check-config` prints what holds, and where each value is from.

The file is the one named by `--config` or `MUSTERD_CONFIG`; else `/etc/musterd/musterd.toml` if
it exists. It is TOML, or an existing [`nova.conf`](#an-existing-novaconf). A key that musterd
does not know is an error, and so is a `MUSTERD_` variable that is no option, but for those that
Kubernetes sets beside a service of that name. All durations are seconds.

`musterd check-config --env-file /etc/musterd/secrets.env` shows what a unit with that
`EnvironmentFile=` gets. An empty environment variable counts as not set. A URL with a password is refused on the command
line, where every user of the host could read it: put it into the environment or the file, or keep
the password of a database in a file of its own. For PostgreSQL `PGPASSFILE` names that, and for MariaDB
the URL, as in `mysql://musterd@db1/musterd?read_default_file=/etc/musterd/db.cnf`: its line `password=…` in the
section `[client]` counts. Logs and messages show `***` instead.
"""

_AFTER = f"""\
## Several members on one host

Give each a `[[member]]` table with a `member` name. What a table leaves out (`group`, `interval`,
`zone`, `owner`, `metadata`) is taken from the options of the same name. `--member` and
`MUSTERD_MEMBER` replace all the tables by one member.

```toml
zone = "rack-12"

[[member]]
member = "host-0042"

[[member]]
group = "storage"
member = "host-0042"
interval = 5
metadata = {{ device = "nvme0" }}
```

## An existing nova.conf

`musterd agent --config /etc/nova/nova.conf --store memcached://mc1:11211` takes host name, interval
and down time from Nova's own file, and the store from you. Nova's file need not change, and should
not: its `servicegroup_driver` decides where Nova's own services report to. Without `--store` or
`MUSTERD_STORE` the store is what the file names: memcached, or Nova's own database, PostgreSQL or MariaDB, where
musterd makes tables of its own (`musterd_…` in MariaDB, the schema `musterd` in PostgreSQL) and touches none of Nova's.

A file whose name ends in `.conf`, or that has a section `[DEFAULT]`, `[database]` or `[cache]`, is
read as Nova reads it: quotes, lines that go on, and `$name` included. `nova-compute.conf` beside a
`nova.conf`, and the `*.conf` in `nova.conf.d` and `nova-compute.conf.d`, are read with it, or without it where
there is none, and win over it; `--config DIR` reads the `*.conf` of a directory. Everything that is not in this table is ignored. `MUSTERD_*` and the
command line still win.

| nova.conf | becomes |
| --- | --- |
| `[DEFAULT] servicegroup_driver = mc` | `store`: the memcached servers below |
| `[DEFAULT] servicegroup_driver = db` (Nova's default) | `store`: the database below |
| `[cache] memcache_servers`, else `[DEFAULT] memcached_servers` (with a warning: Nova no longer reads it) | `memcached://…`; `<None>` or empty: `{EMBEDDED}`, with a warning; neither there: the same for a coordinator, an error for an agent |
| `[cache] tls_enabled`, `tls_cafile`, `tls_certfile`, `tls_keyfile` | `memcached+tls://…`, `ca_file`, `cert_file`, `key_file` |
| `[cache] memcache_sasl_enabled`, or a `backend` within one process | refused, where memcached is to be the store |
| `[database] connection` | `postgresql://…`, or `mysql://…` for `mysql`, `mysql+pymysql`, `mysql+mysqldb` and `mariadb`; another database is refused |
| `[DEFAULT] service_down_time` | `service_down_time` |
| `[DEFAULT] report_interval` | `interval` |
| `[DEFAULT] host` | `member` |

The URL of a database is read as SQLAlchemy reads it: any driver behind the `+`, and a password with `/`, `?` or `#` in it
as it is. Options that only Nova's driver knows (`connect_timeout`, `client_encoding`, `plugin`, …) are left out with a
warning. What it says of [TLS](operations.md#mariadb) is read as it stands, also in the file that `read_default_file`
names; an `ssl_…` that musterd does not know is refused, and a file that is not there is left out with a warning, as Nova's
driver does without a word. `[api_database]` is not looked at. MariaDB needs `pip install 'musterd[mysql]'`.
The registry is in the same database unless `registry` says otherwise. Nova's account, with all rights on its database, has those
that coordinators and agents need; to give agents fewer, or to keep musterd out of Nova's database, name an
account and a database of [its own](operations.md#mariadb) in `MUSTERD_STORE`. A compute host's file names no
database as a rule: there `MUSTERD_STORE` does, and the error names the memcached that the file has for other things.
Several cells have a database each, and `nova_cell0` is in the files of controllers alone, of which there is a warning:
give all the same `MUSTERD_STORE`.

## Rules between options

- A `service_down_time` that is not longer than the `interval` is replaced by 2.5 x `interval`, with
  a warning, as Nova does.
- An `interval` that nobody sets is never longer than a third of `service_down_time`.
- A `service_down_time` shorter than two intervals and a push timeout gets a warning: a single lost
  beat could make a live member `down`.
- `signatures = "require"` without a key is an error, and so are `member_key` and `member_key_file`
  together. A key file that others may read is refused (`chmod 600`), but for systemd's credentials.
- `push_timeout` must be less than the `interval`, and `sweep_period` less than `service_down_time`.
"""


def page() -> str:
    """Return the whole page, as Markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, Role), _AFTER])


def _section(role: Role) -> str:
    chosen = {key: option for key, option in OPTIONS.items() if option.role is role}
    entries = "\n".join(_entry(key, option) for key, option in chosen.items())
    return f"## {_TITLES[role]}\n\n{entries}"


def _entry(key: str, option: Option) -> str:
    return "\n".join([f"### `{key}`", "", option.help, "", *_facts(key, option), ""])


def _facts(key: str, option: Option) -> Iterator[str]:
    yield f"- default: {_code(key, option)}"
    yield f"- values: {option.kind.wanted}"
    if option.private:
        yield "- command line: never; every user of the host could read it there"
    else:
        yield f"- command line: `{option.flag(key)} {_word(option.example)}`"
    yield f"- environment: `{variable(key)}={_word(option.example)}`"
    yield f"- file: `{key} = {_toml(option)}`"


def _code(key: str, option: Option) -> str:
    return option.when_unset or f"`{default_text(key)}`"


def _word(example: str) -> str:
    return f"'{example}'" if "&" in example or " " in example else example


def _toml(option: Option) -> str:
    if isinstance(option.kind, OptionTable):
        name, _, value = option.example.partition("=")
        return f'{{ {name} = "{value}" }}'
    plain = isinstance(option.kind, Number | Switch)
    return option.example if plain else f'"{option.example}"'


if __name__ == "__main__":
    print(page(), end="")
