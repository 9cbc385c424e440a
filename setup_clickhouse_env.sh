#!/bin/sh
# Sourced: sets ClickHouse's environment variables from the configuration and tests the connection.
#
#   source setup_clickhouse_env.sh [--config FILE] [--integration]
#
# Written for any sh, and for a shell with `set -u` or `set -e`: it never ends the shell that sources it. The password is
# in no argument of a process. In a shell that does not say which file it sources, be in the repository's root.
# Add here: another variable that users' own commands need. Keep out: reading the file itself (dagster_defs/cli).

_clickhouse_env() {
    # Where there is no BASH_SOURCE, $0 and then the current folder have to do.
    # shellcheck disable=SC2128,SC3028
    _che_file="${BASH_SOURCE:-$0}"
    _che_root="$(cd "$(dirname "$_che_file")" 2> /dev/null && pwd)"
    [ -f "$_che_root/setup_clickhouse_env.sh" ] || _che_root="$(pwd)"
    if [ ! -x "$_che_root/.venv/bin/python" ]; then
        echo "❌ $_che_root/.venv/bin/python is missing; run \`make setup\` there first." >&2
        return 2
    fi
    _che_set="$("$_che_root/.venv/bin/python" -m dagster_defs.cli.clickhouse_env "$@")" || return 2
    eval "$_che_set"
    if ! command -v curl > /dev/null 2>&1; then
        echo "⚠️  curl is not installed, so the connection was not tested" >&2
        return 1
    fi
    # Curl reads user and password from its standard input: its arguments are for everybody to see.
    if _che_answer="$(
        printf 'user = "%s:%s"\n' "$(_clickhouse_env_quoted "$CLICKHOUSE_USERNAME")" \
            "$(_clickhouse_env_quoted "$CLICKHOUSE_PASSWORD")" |
            curl -sS --max-time 10 --noproxy '*' -K - -f "$CLICKHOUSE_URL/?query=SELECT%20version()" 2> /dev/null
    )"; then
        echo "✅ ClickHouse $_che_answer at $CLICKHOUSE_URL; CLICKHOUSE_USERNAME and CLICKHOUSE_PASSWORD are set"
        return 0
    fi
    if curl -sS --max-time 10 --noproxy '*' -f "$CLICKHOUSE_URL/ping" > /dev/null 2>&1; then
        echo "⚠️  ClickHouse does not accept the credentials (check [clickhouse] username and password)" >&2
        return 1
    fi
    echo "⚠️  ClickHouse connection failed (expected if port-forward not active)" >&2
    echo "   kubectl port-forward clickhouse-0 8123:8123 9000:9000" >&2
    return 1
}

_clickhouse_env_quoted() {
    printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'
}

_che_status=0
_clickhouse_env "$@" || _che_status=$?
unset -f _clickhouse_env _clickhouse_env_quoted
unset _che_file _che_root _che_set _che_answer
# Outside a sourced file there is nothing to return from.
# shellcheck disable=SC2317
return "$_che_status" 2> /dev/null || exit "$_che_status"
