#!/usr/bin/env bash
# Back up every database of a PostgreSQL server so that each backup is known to restore.
# `backup-database.sh --help` lists the settings and the exit codes.
#
# SC2310: a function that stands in a condition tells by its status alone; none relies on `set -e`.
# SC2317: `isolated` calls the functions of one database by name.
# shellcheck disable=SC2310,SC2317
set -euo pipefail
shopt -s inherit_errexit nullglob
umask 077
export LC_ALL=C
unset CDPATH

readonly EXIT_PARTIAL=1 EXIT_USAGE=2 EXIT_PREFLIGHT=3 EXIT_LOCKED=4 EXIT_UPLOAD=5
readonly GLOBALS='@globals'
readonly FORMAT=1

usage() {
  cat <<'TEXT'
usage: backup-database.sh [--help]

Dumps every database of a PostgreSQL server, proves each dump readable, publishes it under
BACKUP_DIR/<database>/<time>/ by one rename, uploads it and then prunes old ones.
One JSON line a database goes to standard output, messages to standard error.

Server
  POSTGRES_HOST           host name or socket folder (or PGHOST); required
  POSTGRES_PORT           port (or PGPORT; default 5432)
  POSTGRES_USER           role (or PGUSER); required. It must read every row: give it
                          pg_read_all_data and BYPASSRLS, not SUPERUSER (large
                          objects, where there are any, need a GRANT SELECT each)
  PGPASSWORD              password; or POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE, PGPASSFILE
  PGBIN                   folder of pg_dump and psql, where they are not on PATH
  BACKUP_MAINTENANCE_DB   database to connect to first (default postgres)
  BACKUP_MAX_CLOCK_SKEW   seconds by which this clock may differ from the server's (default 300)
  PGCONNECT_TIMEOUT       seconds to wait for the server (default 10)

What and where
  BACKUP_DIR              folder of the backups; required, made where it is missing
  BACKUP_DATABASES        names separated by blanks (default: all that take connections)
  BACKUP_JOBS             parallel dump workers a database (default 2)
  BACKUP_COMPRESS         pg_dump compression (default zstd:1, or gzip 2 with an older client)
  BACKUP_AGE_RECIPIENT    age public key: dumps are encrypted for it
  BACKUP_MIN_FREE_MB      free space to leave besides the backup itself (default 256)

Retention, only after a run in which everything succeeded
  BACKUP_RETENTION_DAYS   age from which a local backup may go (default 7)
  BACKUP_KEEP_VERIFIED    newest verified backups of a database that always stay (default 7)

Upload (the bucket's own lifecycle rules prune there)
  BACKUP_BUCKET           s3://bucket[/prefix] or gs://bucket[/prefix]
  BACKUP_UPLOAD_TOOL      rclone, aws or gcloud (default: the first that is installed)
  BACKUP_ENDPOINT_URL     another endpoint than the cloud's own, for S3-compatible stores
  BACKUP_UPLOAD_TIMEOUT   seconds for one file or folder (default 3600)
  AWS_ACCESS_KEY_ID and so on are read by the tool itself. Taken over or given a default here:
  AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE, RCLONE_S3_ENV_AUTH, RCLONE_S3_PROVIDER,
  RCLONE_S3_REGION, RCLONE_GCS_ENV_AUTH, RCLONE_GCS_BUCKET_POLICY_ONLY, RCLONE_GCS_ENDPOINT,
  RCLONE_CA_CERT

Reporting
  BACKUP_METRICS_FILE     Prometheus text file to write
  BACKUP_HEARTBEAT_URL    address to fetch after a run that succeeded (needs curl)

Exit codes
  0 every database backed up, verified and, where asked, uploaded
  1 at least one database failed; the others are published, nothing is pruned
  2 a setting is missing or wrong, or a program is not installed
  3 the server, its credentials, its version, a clock or the free space forbid a backup
  4 another run holds the lock
  5 an upload failed; the local backups stay, nothing is pruned
  130, 143 interrupted; nothing half-done is published
TEXT
}

say() { printf 'backup-database: %s\n' "$*" >&2; }

stop() { # code, message
  local code=$1
  shift
  say "error: $*"
  exit "${code}"
}

# Small conversions: each leaves its answer in REPLY.

json_text() {
  local text=$1 i
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  for i in {1..31}; do
    local character escape
    printf -v escape '\\x%02x' "${i}"
    printf -v character '%b' "${escape}"
    text=${text//"${character}"/ }
  done
  REPLY="\"${text}\""
}

folder_name() { # a database's name as a path component: other bytes become %XX
  local name=$1 out='' i character code
  for ((i = 0; i < ${#name}; i++)); do
    character=${name:i:1}
    if [[ ${character} =~ [A-Za-z0-9_-] || (${character} == . && ${i} -gt 0) ]]; then
      out+=${character}
    else
      printf -v code '%d' "'${character}"
      printf -v code '%%%02X' "$((code & 255))" # a byte above 127 counts as negative here
      out+=${code}
    fi
  done
  REPLY=${out}
}

conninfo() { # quoted, since a name with '=' would else be read as a connection string
  local name=${1//\\/\\\\}
  REPLY="dbname='${name//\'/\\\'}'"
}

base64_of() { # a digest in hexadecimal
  local escaped='' i
  for ((i = 0; i < ${#1}; i += 2)); do escaped+="\\x${1:i:2}"; done
  REPLY=$(printf '%b' "${escaped}" | base64)
}

query() { # database, SQL, further psql arguments: unaligned rows on standard output
  local REPLY
  conninfo "$1"
  psql --no-psqlrc --no-password --quiet --tuples-only --no-align \
    --set=ON_ERROR_STOP=1 --dbname="${REPLY}" --command="$2" "${@:3}"
}

# Settings and preflight.

require_number() { # name, value; one that begins with 0 is octal to bash
  [[ $2 =~ ^(0|[1-9][0-9]{0,8})$ ]] || stop "${EXIT_USAGE}" "$1 must be a whole number, not '$2'."
}

require_program() { # name, why
  command -v "$1" >/dev/null || stop "${EXIT_USAGE}" "'$1' is not installed; $2."
}

read_settings() {
  [[ -z ${PGBIN:-} ]] || PATH="${PGBIN}:${PATH}"
  export PGHOST=${POSTGRES_HOST:-${PGHOST:-}} PGPORT=${POSTGRES_PORT:-${PGPORT:-5432}}
  export PGUSER=${POSTGRES_USER:-${PGUSER:-}} PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-10}
  export PGAPPNAME=backup-database
  unset PGDATABASE PGOPTIONS
  [[ -z ${POSTGRES_HOST:-} ]] || unset PGHOSTADDR # it would win over the host that is named here
  [[ -n ${PGHOST} ]] || stop "${EXIT_USAGE}" 'POSTGRES_HOST is not set; name the server.'
  [[ -n ${PGUSER} ]] || stop "${EXIT_USAGE}" 'POSTGRES_USER is not set; name the role.'
  if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then
    [[ -r ${POSTGRES_PASSWORD_FILE} ]] ||
      stop "${EXIT_USAGE}" 'POSTGRES_PASSWORD_FILE cannot be read; check the path and its mode.'
    PGPASSWORD=$(<"${POSTGRES_PASSWORD_FILE}")
  fi
  PGPASSWORD=${PGPASSWORD:-${POSTGRES_PASSWORD:-}}
  if [[ -n ${PGPASSWORD} ]]; then export PGPASSWORD; else unset PGPASSWORD; fi

  [[ -n ${BACKUP_DIR:-} ]] || stop "${EXIT_USAGE}" 'BACKUP_DIR is not set; name a folder.'
  MAINTENANCE=${BACKUP_MAINTENANCE_DB:-postgres}
  JOBS=${BACKUP_JOBS:-2}
  KEEP_DAYS=${BACKUP_RETENTION_DAYS:-7}
  KEEP_VERIFIED=${BACKUP_KEEP_VERIFIED:-7}
  MIN_FREE_MB=${BACKUP_MIN_FREE_MB:-256}
  MAX_CLOCK_SKEW=${BACKUP_MAX_CLOCK_SKEW:-300}
  UPLOAD_TIMEOUT=${BACKUP_UPLOAD_TIMEOUT:-3600}
  require_number BACKUP_JOBS "${JOBS}"
  require_number BACKUP_RETENTION_DAYS "${KEEP_DAYS}"
  require_number BACKUP_KEEP_VERIFIED "${KEEP_VERIFIED}"
  require_number BACKUP_MIN_FREE_MB "${MIN_FREE_MB}"
  require_number BACKUP_MAX_CLOCK_SKEW "${MAX_CLOCK_SKEW}"
  require_number BACKUP_UPLOAD_TIMEOUT "${UPLOAD_TIMEOUT}"
  ((JOBS > 0)) || stop "${EXIT_USAGE}" 'BACKUP_JOBS must be at least 1.'
  ((KEEP_VERIFIED > 0)) ||
    stop "${EXIT_USAGE}" 'BACKUP_KEEP_VERIFIED must be at least 1: the last good backup stays.'
}

require_programs() {
  local program
  for program in psql pg_dump pg_dumpall pg_restore pg_isready; do
    require_program "${program}" 'install the PostgreSQL client, or set PGBIN'
  done
  for program in flock sha256sum find sort xargs du df dd sync; do
    require_program "${program}" 'install util-linux, coreutils and findutils'
  done
  if [[ -n ${BACKUP_AGE_RECIPIENT:-} ]]; then
    require_program age 'install it, or unset BACKUP_AGE_RECIPIENT'
    require_program tar 'install it, or unset BACKUP_AGE_RECIPIENT'
    [[ ${BACKUP_AGE_RECIPIENT} == age1* ]] ||
      stop "${EXIT_USAGE}" 'BACKUP_AGE_RECIPIENT must be a public key, which begins with age1.'
  fi
  if [[ -n ${BACKUP_HEARTBEAT_URL:-} ]]; then
    require_program curl 'install it, or unset BACKUP_HEARTBEAT_URL'
  fi
}

choose_upload_tool() {
  [[ -n ${BACKUP_BUCKET:-} ]] || return 0
  local -a fitting
  case ${BACKUP_BUCKET} in
    s3://?*) fitting=(rclone aws) ;;
    gs://?*) fitting=(rclone gcloud) ;;
    *) stop "${EXIT_USAGE}" 'BACKUP_BUCKET must begin with s3:// or gs:// and name a bucket.' ;;
  esac
  local tool
  for tool in "${fitting[@]}"; do
    [[ -z ${BACKUP_UPLOAD_TOOL:-} || ${BACKUP_UPLOAD_TOOL} == "${tool}" ]] || continue
    command -v "${tool}" >/dev/null || continue
    UPLOAD_TOOL=${tool}
    break
  done
  [[ -n ${UPLOAD_TOOL:-} ]] ||
    stop "${EXIT_USAGE}" "no upload tool for ${BACKUP_BUCKET}: install one of ${fitting[*]}."
  require_program timeout 'install coreutils'
  export RCLONE_S3_ENV_AUTH=${RCLONE_S3_ENV_AUTH:-true}
  export RCLONE_S3_PROVIDER=${RCLONE_S3_PROVIDER:-AWS}
  export RCLONE_S3_REGION=${RCLONE_S3_REGION:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
  export RCLONE_S3_NO_CHECK_BUCKET=true RCLONE_GCS_NO_CHECK_BUCKET=true
  export RCLONE_GCS_BUCKET_POLICY_ONLY=${RCLONE_GCS_BUCKET_POLICY_ONLY:-true}
  export RCLONE_GCS_ENV_AUTH=${RCLONE_GCS_ENV_AUTH:-true}
  if [[ ${UPLOAD_TOOL} == rclone && -n ${AWS_CA_BUNDLE:-} ]]; then
    # rclone takes a trust store by a name of its own and fails on this one.
    export RCLONE_CA_CERT=${RCLONE_CA_CERT:-${AWS_CA_BUNDLE}}
    unset AWS_CA_BUNDLE
  fi
  if [[ -n ${BACKUP_ENDPOINT_URL:-} ]]; then
    export AWS_ENDPOINT_URL=${BACKUP_ENDPOINT_URL} RCLONE_S3_PROVIDER=Other
    export RCLONE_S3_ENDPOINT=${BACKUP_ENDPOINT_URL}
    export RCLONE_GCS_ENDPOINT=${RCLONE_GCS_ENDPOINT:-${BACKUP_ENDPOINT_URL%/}/storage/v1/}
    export CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=${BACKUP_ENDPOINT_URL%/}/
  fi
}

take_lock() {
  mkdir -p "${BACKUP_DIR}" || stop "${EXIT_USAGE}" "BACKUP_DIR ${BACKUP_DIR} cannot be made."
  BACKUP_DIR=$(cd "${BACKUP_DIR}" && pwd -P)
  exec {LOCK}>>"${BACKUP_DIR}/.lock" ||
    stop "${EXIT_USAGE}" "BACKUP_DIR ${BACKUP_DIR} is not writable for uid ${UID}."
  flock --nonblock "${LOCK}" ||
    stop "${EXIT_LOCKED}" "another run holds ${BACKUP_DIR}/.lock; wait for it to end."
  # Nobody else writes here now, so what an earlier run left unfinished is rubbish.
  rm -rf "${BACKUP_DIR}/.partial"
  mkdir "${BACKUP_DIR}/.partial"
}

check_server() {
  local answer ready=0
  pg_isready --quiet --timeout="${PGCONNECT_TIMEOUT}" || ready=$?
  ((ready == 0)) || stop "${EXIT_PREFLIGHT}" \
    "no PostgreSQL answers at ${PGHOST}:${PGPORT}; check POSTGRES_HOST, the port and the network."
  answer=$(query "${MAINTENANCE}" 'SHOW server_version_num' 2>&1) ||
    stop "${EXIT_PREFLIGHT}" "cannot log in as ${PGUSER}: ${answer//$'\n'/ } Check the password."
  # A server may answer with warnings too.
  [[ ${answer} =~ (^|$'\n')([0-9]{5,6})$ ]] ||
    stop "${EXIT_PREFLIGHT}" "the server names no version: ${answer//$'\n'/ }"
  SERVER_VERSION=${BASH_REMATCH[2]}
  answer=$(pg_dump --version)
  [[ ${answer} =~ \)\ ([0-9]+) ]] ||
    stop "${EXIT_PREFLIGHT}" "pg_dump names no version: ${answer}"
  CLIENT_VERSION=${answer##*) }
  ((BASH_REMATCH[1] >= SERVER_VERSION / 10000)) || stop "${EXIT_PREFLIGHT}" \
    "pg_dump ${CLIENT_VERSION} is older than the server ($((SERVER_VERSION / 10000))); install a newer client."
  ((BASH_REMATCH[1] < 17 || SERVER_VERSION >= 170000)) ||
    say "warning: what pg_dump ${CLIENT_VERSION} writes can be restored into PostgreSQL 17 or newer only, not into this server's version; set PGBIN to a client of version 16 or older, but not older than the server."
}

calm_sessions() { # no time limit of a role or a database ends ours, as none ends pg_dump's
  local options='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0'
  ((SERVER_VERSION < 140000)) || options+=' -c idle_session_timeout=0'
  ((SERVER_VERSION < 170000)) || options+=' -c transaction_timeout=0'
  # A pooler may refuse what a connection asks for; then the limits stay as they are.
  export PGOPTIONS=${options}
  query "${MAINTENANCE}" 'SELECT 1' >/dev/null 2>&1 || unset PGOPTIONS
}

check_clock() { # a wrong one misnames backups, and prunes what it takes for old
  local there apart folder REPLY
  there=$(query "${MAINTENANCE}" 'SELECT floor(extract(epoch FROM clock_timestamp()))::bigint') ||
    stop "${EXIT_PREFLIGHT}" "the server's clock cannot be read."
  apart=$((EPOCH - there))
  ((${apart#-} <= MAX_CLOCK_SKEW)) || stop "${EXIT_PREFLIGHT}" \
    "the clock here and the server's differ by ${apart#-} s; set the wrong one (NTP) and run again."
  for folder in "${BACKUP_DIR}"/*/*/; do
    is_verified "${folder%/}"
    ((${REPLY:-0} <= EPOCH + MAX_CLOCK_SKEW)) || stop "${EXIT_PREFLIGHT}" \
      "${folder%/} is of a time to come: a clock was set back, or was wrong then; set the clock, or move that backup away."
  done
}

choose_compression() {
  local complaint=''
  COMPRESS=${BACKUP_COMPRESS:-zstd:1}
  # The option is judged before a connection is tried; nothing listens in this folder.
  complaint=$(PGHOST=/nonexistent PGHOSTADDR='' pg_dump --no-password --format=custom --file=/dev/null \
    --compress="${COMPRESS}" 2>&1) || true
  if [[ ${complaint} == *compress* ]]; then
    [[ -z ${BACKUP_COMPRESS:-} ]] ||
      stop "${EXIT_USAGE}" "this pg_dump refuses BACKUP_COMPRESS=${BACKUP_COMPRESS}."
    COMPRESS=2
  fi
}

list_databases() {
  local invalid
  if [[ -n ${BACKUP_DATABASES:-} ]]; then
    read -r -d '' -a DATABASES <<<"${BACKUP_DATABASES}" || true
  else
    # A name may hold a line break.
    query "${MAINTENANCE}" \
      "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate
         AND datconnlimit <> -2 ORDER BY 1" \
      --record-separator-zero >"${BACKUP_DIR}/.partial/.databases" ||
      stop "${EXIT_PREFLIGHT}" 'the databases cannot be listed.'
    mapfile -t -d '' DATABASES <"${BACKUP_DIR}/.partial/.databases"
    invalid=$(query "${MAINTENANCE}" \
      "SELECT quote_ident(datname) FROM pg_database WHERE datallowconn AND datconnlimit = -2") ||
      stop "${EXIT_PREFLIGHT}" 'the databases cannot be listed.'
    [[ -z ${invalid} ]] ||
      say "warning: a DROP DATABASE that was interrupted left these, and nobody can read them: ${invalid//$'\n'/, }; they are skipped; drop them."
  fi
  [[ -n ${DATABASES[0]:-} ]] || stop "${EXIT_PREFLIGHT}" 'there is no database to back up.'
}

check_free_space() { # half a database's size is more than its compressed dump takes
  local wanted free database names=''
  for database in "${DATABASES[@]}"; do names+=", '${database//\'/\'\'}'"; done
  wanted=$(query "${MAINTENANCE}" \
    "SELECT coalesce(sum(CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END),
       0)::bigint / 2 / 1024 FROM pg_database
     WHERE datname IN (${names#, })") ||
    stop "${EXIT_PREFLIGHT}" 'the size of the databases cannot be read.'
  free=$(df -Pk "${BACKUP_DIR}" | awk 'NR == 2 {print $4}')
  wanted=$((wanted + MIN_FREE_MB * 1024))
  ((free >= wanted)) || stop "${EXIT_PREFLIGHT}" \
    "${BACKUP_DIR} has $((free / 1024)) MB free and $((wanted / 1024)) MB are needed; make room."
}

# One database; runs in a process group of its own and ends at the first error.

fail() {
  local message=$* advice='' free
  free=$(df -Pk . 2>/dev/null | awk 'NR == 2 {print $4}') || free=''
  # A disk that is full holds no log either.
  if [[ ${free} =~ ^[0-9]+$ ]] && ((free < 1024)); then message+=": No space left on device"; fi
  case ${message} in
    *'No space left'* | *'File too large'*) advice="; make room in ${BACKUP_DIR}" ;;
    *'database "'*'" does not exist'*) advice='; check BACKUP_DATABASES' ;;
    *'invalid database'*) advice='; an interrupted DROP DATABASE left it: drop it' ;;
    *'permission denied for large object'*)
      advice="; GRANT SELECT ON LARGE OBJECT ... TO ${PGUSER} for each: pg_read_all_data does not reach them"
      ;;
    *'row-level security'*) advice="; ALTER ROLE ${PGUSER} BYPASSRLS" ;;
    *'permission denied for database'*) advice="; grant ${PGUSER} CONNECT on it" ;;
    *'out of shared memory'*) advice="; raise max_locks_per_transaction on the server" ;;
    *'Permission denied'*) advice="; let uid ${UID} write to ${BACKUP_DIR}" ;;
    *'permission denied'*) advice="; grant ${PGUSER} pg_read_all_data" ;;
    *) ;;
  esac
  message=${message//$'\n'/ }${advice}
  printf '%s' "${message}" 2>/dev/null >reason || true
  say "error: ${message}"
  exit 1
}

reason_in() { # log file: its first error, else its last line, in REPLY
  REPLY=$(grep -m 1 -E 'ERROR|FATAL|error: ' "$1" 2>/dev/null) ||
    REPLY=$(grep -v '^[[:space:]]*$' "$1" 2>/dev/null | tail -n 1) || REPLY='no message'
}

write_content_rules() { # kept in the backup, so that a restore compares by the very same rules
  local members="
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_sequence AS s ON s.seqrelid = c.oid
WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
  local ordered='
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
\gexec'
  local name="replace(replace(replace(format('%I.%I', n.nspname, c.relname),
        chr(92), repeat(chr(92), 2)), chr(10), chr(92) || 'n'), chr(9), chr(92) || 't')"
  # The text of a row costs twice what its values cost. They are hashed as they are where equal
  # hashes mean equal bytes: 1.0 and 1.00 are equal numbers, and a collation may fold case.
  local row="'ROW(' || coalesce(string_agg(CASE
        WHEN a.atttypid IN ('text'::regtype, 'varchar'::regtype) THEN format('(%I)::text COLLATE \"C\"', a.attname)
        WHEN a.atttypid IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype,
          'date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'bytea'::regtype) THEN format('%I', a.attname)
        ELSE format('(%I)::text', a.attname)
      END, ', ' ORDER BY a.attnum), '') || ')'" hash=hash_record_extended
  if ((SERVER_VERSION < 140000)); then
    row="'ROW(' || coalesce(string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum), '') || ')::text'"
    hash=hashtextextended
  fi
  # To read a table locks its indexes too, up to the end or back to the savepoint: thousands of
  # them at once are more than a server has room for.
  local settings="SET LOCAL search_path = '';
SET LOCAL row_security = off;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 1;"
  local summed="SELECT format('SELECT %L, count(*), coalesce(sum(${hash}(%s, 0)), 0) FROM ONLY %I.%I', ${name}, (
      SELECT ${row}
      FROM pg_attribute AS a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    n.nspname, c.relname), 'ROLLBACK TO SAVEPOINT before_one'${members}"
  cat >content.sql <<SQL
${settings}
SAVEPOINT before_one;
${summed} AND c.relkind = 'r'${ordered}
SELECT 'large objects', count(*),
    coalesce(sum(hashtextextended(oid::text || sha256(lo_get(oid))::text, 0)), 0)
FROM pg_largeobject_metadata;
SQL
  cat >views.sql <<SQL
${settings}
SET LOCAL lock_timeout = '5s';
SAVEPOINT before_one;
${summed} AND c.relkind = 'm' AND c.relispopulated${ordered}
SQL
  # The number that comes next. One that begins anew at its end may be anywhere.
  cat >sequences.sql <<SQL
${settings}
SET LOCAL lock_timeout = '60s';
SAVEPOINT before_one;
SELECT format('SELECT %L, last_value + is_called::int * (%s)::numeric FROM %I.%I', ${name},
    s.seqincrement, n.nspname, c.relname), 'ROLLBACK TO SAVEPOINT before_one'${members}
    AND c.relkind = 'S' AND NOT s.seqcycle${ordered}
SQL
  # Held from before the snapshot on: a table that is emptied meanwhile reads as empty even in it.
  cat >locks.sql <<SQL
SELECT format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE', n.nspname, c.relname)${members}
    AND c.relkind = 'r'${ordered}
SQL
}

apply_rule() { # database, rule, further psql arguments: its rows on standard output
  query "$1" BEGIN --field-separator=$'\t' --file="$2.sql" "${@:3}"
}

read_sequences() { # database, file: they know no snapshot, so they are read before the dump and after
  apply_rule "$1" sequences >"$2" 2>session.log || {
    reason_in session.log
    fail "the sequences could not be read: ${REPLY}"
  }
}

dump_with_content() { # connection string: dump/ and content.tsv of one and the same snapshot
  local is_tight=''
  dump_beside_sums "$1"
  [[ -n ${is_tight} ]] || return 0
  # Every session locks every table: the server may have room for those of one at a time.
  rm -rf dump
  : >locks.sql
  say "warning: the server has no room for the locks of ${JOBS} workers: one dumps, which takes longer; raise max_locks_per_transaction"
  dump_between_sums "$1"
}

dump_beside_sums() { # connection string; sets is_tight where the server has no room for the locks
  local connection=$1 snapshot='' dumped=0 to from session_pid dump_pid REPLY
  open_session
  # What pg_dump would wait for at its end is flushed while the dump is read back.
  dump_snapshot "${JOBS}" &
  dump_pid=$!
  ask_sums content.tsv
  wait "${dump_pid}" || dumped=$?
  if ((dumped != 0)) && grep -q -E 'out of shared memory|could not obtain lock' dump.log session.log; then
    is_tight=1
    close_session
    return
  fi
  assert_dumped "${dumped}"
  await_sums
  close_session
}

dump_between_sums() { # connection string; without locks a table may be emptied: then the sums differ
  local connection=$1 snapshot='' dumped=0 to from session_pid REPLY
  open_session
  ask_sums content.tsv
  await_sums
  dump_snapshot 1 || dumped=$?
  assert_dumped "${dumped}"
  ask_sums again.tsv
  await_sums
  close_session
  cmp --silent content.tsv again.tsv || fail 'a table was emptied or rewritten while it was dumped; run again'
  rm again.tsv
}

open_session() { # sets snapshot, to, from and session_pid
  trap '' PIPE # a session that ended is told by the failing write
  coproc SESSION {
    exec psql --no-psqlrc --no-password --quiet --tuples-only --no-align \
      --field-separator=$'\t' --set=ON_ERROR_STOP=1 --dbname="${connection}" 2>session.log
  }
  # shellcheck disable=SC2154,SC2153 # coproc assigns it
  session_pid=${SESSION_PID}
  exec {to}>&"${SESSION[1]}" {from}<&"${SESSION[0]}"
  eval "exec ${SESSION[1]}>&- ${SESSION[0]}<&-"
  printf '%s\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;' \
    'SET LOCAL idle_in_transaction_session_timeout = 0;' \
    "SET LOCAL lock_timeout = '60s';" '\i locks.sql' \
    'SELECT pg_export_snapshot();' 1>&"${to}" 2>/dev/null || true
  read -r -u "${from}" snapshot || true
  if [[ -z ${snapshot} ]]; then
    reason_in session.log
    fail "no snapshot: ${REPLY}"
  fi
}

dump_snapshot() { # workers
  pg_dump --no-password --format=directory --jobs="$1" --compress="${COMPRESS}" --no-sync \
    --snapshot="${snapshot}" --lock-wait-timeout=60000 --file=dump --dbname="${connection}" \
    {to}>&- {from}<&- 2>dump.log
}

assert_dumped() { # status of pg_dump
  (($1 != 0)) || return 0
  # A session that ended took its snapshot along: then its error is the reason.
  if grep -q -E 'ERROR|FATAL' session.log; then
    reason_in session.log
    fail "the snapshot's session ended: ${REPLY}"
  fi
  reason_in dump.log
  fail "pg_dump ended with $1: ${REPLY}"
}

ask_sums() { # file
  printf '%s\n' "\\o $1" '\i content.sql' '\o' '\echo complete' 1>&"${to}" 2>/dev/null || true
}

await_sums() {
  local answer=''
  read -r -u "${from}" answer || true
  [[ ${answer} == complete ]] || {
    reason_in session.log
    fail "the content could not be summed up: ${REPLY}"
  }
}

close_session() {
  exec {to}>&-
  wait "${session_pid}" || true
  exec {from}<&-
  trap - PIPE
}

read_back() { # list of entries: every row is read, up to the mark at the end of each table
  # pg_restore takes a file of zstd that is cut short for a whole one; the mark is missing then.
  local wanted found
  wanted=$(grep -c ' TABLE DATA ' "$1") || wanted=0
  found=$(pg_restore --file=- --use-list="$1" dump 2>>dump.log |
    { grep --count --line-regexp --fixed-strings '\.' || true; }) || return 1
  ((wanted == 0 || found == wanted)) || {
    printf 'error: %s of %s tables have an end\n' "${found}" "${wanted}" >>dump.log
    return 1
  }
}

pass_on() { # log file: what a program that succeeded said all the same, in REPLY
  REPLY=$(grep -v '^[[:space:]]*$' "$1") || REPLY=''
  [[ -z ${REPLY} ]] || say "warning: ${REPLY//$'\n'/ }"
}

verify_dump() {
  # `pg_restore --list` reads only the table of contents: a cut or flipped data file passes it.
  local entries tables flushing share broken=0
  local -a readers=()
  find dump -exec sync {} + 2>sync.log & # meanwhile
  flushing=$!
  pg_restore --list dump >entries 2>dump.log || {
    reason_in dump.log
    fail "the dump cannot be listed: ${REPLY}"
  }
  # Every entry is read once; the data by several readers, a share of the tables each.
  awk -v jobs="${JOBS}" \
    '/ TABLE DATA / {print >("entries." n++ % jobs); next} {print >"entries.rest"}' entries
  for share in entries.*; do
    read_back "${share}" &
    readers+=("$!")
  done
  for share in "${readers[@]}"; do wait "${share}" || broken=1; done
  ((broken == 0)) || {
    reason_in dump.log
    fail "the dump cannot be read back: ${REPLY}"
  }
  entries=$(grep -c ' TABLE DATA ' entries) || entries=0
  tables=$(grep -cv '^large objects' content.tsv) || tables=0
  ((entries >= tables)) || fail "the dump holds ${entries} of ${tables} tables."
  wait "${flushing}" || {
    reason_in sync.log
    fail "the dump could not be flushed to disk: ${REPLY}"
  }
  rm entries entries.* sync.log
}

sums() { # a line a file, by name; several files are read at a time
  local -a digest=(sha256sum)
  # OpenSSL takes the processor's own instructions for it: four times as fast where it has them.
  ! command -v openssl >/dev/null || digest=(openssl dgst -sha256 -r)
  find . -type f ! -path ./SHA256SUMS -printf '%P\0' |
    xargs -0 --max-procs="${JOBS}" --max-args=2 "${digest[@]}" | sed 's/ \*/  /' | sort -k 2
}

seal() { # sums of every file; then read them once more from disk
  local again
  rm -f reason dump.log session.log locks.sql before.tsv after.tsv
  sums >../.sums # a folder beside it may be called like any database
  mv ../.sums SHA256SUMS
  find . -exec sync {} + || fail 'the backup could not be flushed to disk.'
  # Out of the cache, or it would answer instead of the disk.
  find . -type f -exec dd if={} iflag=nocache count=0 status=none \; 2>/dev/null || true
  again=$(sums)
  [[ ${again} == "$(<SHA256SUMS)" ]] || fail 'a file changed while it was written.'
  local sum
  sum=$(sha256sum SHA256SUMS)
  printf '%s %s\n' "${EPOCH}" "${sum%% *}" >VERIFIED
  sync VERIFIED . || fail 'the backup could not be flushed to disk; look after the disk.'
}

encrypt_dump() {
  [[ -n ${BACKUP_AGE_RECIPIENT:-} ]] || return 0
  tar --create --file=- dump | age --recipient "${BACKUP_AGE_RECIPIENT}" --output dump.tar.age ||
    fail 'the dump could not be encrypted; check BACKUP_AGE_RECIPIENT.'
  rm -rf dump
}

publish() { # folder name below BACKUP_DIR
  local place="${BACKUP_DIR}/$1" from=${PWD}
  mkdir -p "${place}"
  [[ ! -e ${place}/${STAMP} ]] || fail "${place}/${STAMP} exists; the clock may have gone back."
  mv --no-target-directory "${PWD}" "${place}/${STAMP}"
  mkdir "${from}" # a reason that is left here must not be left in the backup
  cd "${from}"
  sync "${place}" "${BACKUP_DIR}" ||
    fail "${place}/${STAMP} stands, but its folder could not be flushed; look after the disk."
}

back_up_database() { # database, folder name
  local database=$1 REPLY
  [[ ${database} != *[$'\n\r']* ]] ||
    fail "pg_restore refuses a database with a line break in its name; rename it"
  conninfo "${database}"
  local connection=${REPLY}
  write_content_rules
  read_sequences "${database}" before.tsv
  dump_with_content "${connection}"
  read_sequences "${database}" after.tsv
  # Between the two numbers is the one in the dump.
  awk -F '\t' 'FILENAME == ARGV[1] {before[$1] = $2; next}
    {print $1 "\t" ($1 in before ? before[$1] : $2) "\t" $2}' before.tsv after.tsv >sequences.tsv
  # pg_dump reads no such view: one that cannot be read, or is being computed, ends no backup.
  apply_rule "${database}" views --set=ON_ERROR_STOP=0 >views.tsv 2>>dump.log || true
  pass_on dump.log
  local warned=${REPLY}
  verify_dump
  encrypt_dump
  json_text "${database}"
  printf '{"format": %s, "database": %s, "taken_at": %s, "server": %s, "client": "%s"}\n' \
    "${FORMAT}" "${REPLY}" "${EPOCH}" "${SERVER_VERSION}" "${CLIENT_VERSION}" >backup.json
  seal
  publish "$2"
  printf '%s' "${warned}" >warnings
}

back_up_globals() { # roles and tablespaces; verifiers of passwords stay on the server
  local REPLY
  conninfo "${MAINTENANCE}"
  pg_dumpall --no-password --globals-only --no-role-passwords --file=globals.sql \
    --dbname="${REPLY}" 2>dump.log || {
    reason_in dump.log
    fail "pg_dumpall: ${REPLY}"
  }
  grep -q 'PostgreSQL database cluster dump complete' globals.sql ||
    fail 'the dump of roles is cut off.'
  pass_on dump.log
  local warned=${REPLY}
  seal
  publish "${GLOBALS}"
  printf '%s' "${warned}" >warnings
}

# The run.

end_job() { # what waits for the server still would keep the lock, and the next run from it
  local tries=50
  kill -TERM -- "-${CHILD}" 2>/dev/null || true
  wait "${CHILD}" 2>/dev/null || true
  while kill -0 -- "-${CHILD}" 2>/dev/null; do
    ((tries -= 1)) || kill -KILL -- "-${CHILD}" 2>/dev/null || true
    ((tries > -10)) || return 0 # where nobody buries the dead, they answer for ever
    sleep 0.1
  done
}

isolated() { # folder name, function, arguments...: STATUS, REASON and WARNED tell how it ended
  local name=$1
  shift
  local folder="${BACKUP_DIR}/.partial/${name}"
  mkdir -p "${folder}"
  STATUS=0
  # A job of its own: `set -e` holds inside it, as it would not in a condition, and a signal
  # reaches every process of it.
  set -m
  (
    set +m
    trap - EXIT INT TERM
    cd "${folder}"
    "$@"
  ) &
  CHILD=$!
  set +m
  wait "${CHILD}" || STATUS=$?
  ((STATUS == 0)) || end_job
  CHILD=''
  REASON=''
  if ((STATUS != 0)); then
    REASON=$(cat "${folder}/reason" 2>/dev/null) || true
    [[ -n ${REASON} ]] || REASON="ended with ${STATUS}" # a full disk takes no reason either
  fi
  WARNED=$(cat "${folder}/warnings" 2>/dev/null) || WARNED=''
  rm -rf "${folder}"
}

report() { # database, folder name, seconds
  local database reason warned path bytes=0 tables=0 rows=0 state=ok counts REPLY
  if ((STATUS != 0)); then
    state=failed path=''
  else
    path="${BACKUP_DIR}/$2/${STAMP}"
    bytes=$(du -sb "${path}")
    bytes=${bytes%%$'\t'*}
    if [[ -f ${path}/content.tsv ]]; then
      counts=$(awk -F '\t' \
        '$1 != "large objects" {n++; r += $2} END {printf "%d %.0f\n", n, r}' "${path}/content.tsv")
      tables=${counts% *} rows=${counts#* }
    fi
  fi
  json_text "$1"
  database=${REPLY}
  json_text "${REASON}"
  reason=${REPLY}
  json_text "${WARNED}"
  warned=${REPLY}
  json_text "${path}"
  printf '{"event": "backup", "database": %s, "status": "%s", "path": %s, "bytes": %s, "tables": %s, "rows": %s, "seconds": %s, "warnings": %s, "error": %s}\n' \
    "${database}" "${state}" "${REPLY}" "${bytes}" "${tables}" "${rows}" "$3" "${warned}" "${reason}"
  json_text "${1//$'\t'/ }" # a label knows no escape for a tab
  METRICS+=("closeout_backup_success{database=${REPLY}} $((STATUS == 0))")
  METRICS+=("closeout_backup_bytes{database=${REPLY}} ${bytes}")
  METRICS+=("closeout_backup_seconds{database=${REPLY}} $3")
}

is_verified() { # backup folder: the epoch of the backup in REPLY, empty where it is not verified
  local epoch='' sum='' actual=''
  REPLY=''
  [[ -f $1/VERIFIED && -f $1/SHA256SUMS ]] || return 0
  read -r epoch sum <"$1/VERIFIED" || true
  actual=$(sha256sum "$1/SHA256SUMS") || actual=''
  if [[ ${epoch} =~ ^[0-9]+$ && -n ${sum} && ${actual%% *} == "${sum}" ]]; then REPLY=${epoch}; fi
}

# Upload.

put_rclone() { # backup folder, remote folder
  local remote=${2#*://} backend=:s3:
  [[ ${BACKUP_BUCKET} == s3://* ]] || backend=:gcs:
  local -a options=(--config= --retries=1 --low-level-retries=2 --immutable --checksum --quiet)
  timeout "${UPLOAD_TIMEOUT}" rclone copy "${options[@]}" --exclude=/VERIFIED --exclude=/UPLOADED \
    "$1" "${backend}${remote}" || return 1
  timeout "${UPLOAD_TIMEOUT}" rclone check --config= --retries=1 --one-way --quiet \
    --exclude=/VERIFIED --exclude=/UPLOADED "$1" "${backend}${remote}" || return 1
  timeout "${UPLOAD_TIMEOUT}" rclone copyto "${options[@]}" "$1/VERIFIED" "${backend}${remote}/VERIFIED"
}

put_aws() { # file, object address: the server checks the sum and refuses to overwrite
  local bucket=${2#s3://} key sum size present REPLY
  key=${bucket#*/}
  bucket=${bucket%%/*}
  size=$(stat --format=%s "$1")
  ((size <= 5368709120)) || {
    say "error: $1 is larger than one request may be; set BACKUP_UPLOAD_TOOL=rclone."
    return 1
  }
  sum=$(sha256sum "$1") || return 1
  base64_of "${sum%% *}"
  sum=${REPLY}
  # Where the object is there already, an upload that was interrupted had come this far.
  local -a asked=(--query '[ChecksumSHA256, ServerSideEncryption, ETag]' --output text)
  asked+=(--bucket "${bucket}" --key "${key}")
  present=$(timeout "${UPLOAD_TIMEOUT}" aws s3api put-object "${asked[@]}" --body "$1" \
    --checksum-algorithm SHA256 --checksum-sha256 "${sum}" --if-none-match '*') ||
    present=$(aws s3api head-object "${asked[@]}" --checksum-mode ENABLED 2>/dev/null) || return 1
  if [[ ${present} == "${sum}"$'\t'* ]]; then
    # A store that only repeats the sum we sent betrays itself here; with a key of KMS there is
    # no MD5 to compare.
    [[ ${present} != *$'\t'aws:kms* ]] || return 0
    sum=$(md5sum "$1") || return 1
    [[ ${present} != *"\"${sum%% *}\"" ]] || return 0
  fi
  say "error: $2 is there with another content; look who wrote it, and remove it."
  return 1
}

put_gcloud() { # file, object address: generation 0 means that nothing is overwritten
  local present sum REPLY
  timeout "${UPLOAD_TIMEOUT}" gcloud storage cp --if-generation-match=0 --quiet "$1" "$2" >&2 &&
    return 0
  sum=$(md5sum "$1") || return 1
  base64_of "${sum%% *}"
  sum=${REPLY}
  present=$(gcloud storage objects describe "$2" --format='value(md5_hash)' 2>/dev/null) || return 1
  [[ ${present} == "${sum}" ]]
}

upload_folder() { # backup folder, remote folder; UPLOADED_OK tells; VERIFIED goes last
  UPLOADED_OK=0
  local file listing status=0
  local -a files
  if [[ ${UPLOAD_TOOL} == rclone ]]; then
    put_rclone "$1" "$2" || return 0
  else
    listing=$(cut -c 67- "$1/SHA256SUMS")
    mapfile -t files <<<"${listing}"
    files+=(SHA256SUMS)
    for file in "${files[@]}" VERIFIED; do
      "put_${UPLOAD_TOOL}" "$1/${file}" "$2/${file}" || status=$?
      ((status == 0)) || return 0
    done
  fi
  printf '%s\n' "$2" >"$1/UPLOADED"
  UPLOADED_OK=1
}

upload_all() { # every verified backup not yet there, so a run cut short is made up for
  [[ -n ${BACKUP_BUCKET:-} ]] || return 0
  local folder relative REPLY
  for folder in "${BACKUP_DIR}"/*/*/; do
    folder=${folder%/}
    relative=${folder#"${BACKUP_DIR}/"}
    is_verified "${folder}"
    [[ -n ${REPLY} ]] || continue
    # The mark names where it went: another bucket gets everything.
    if grep -qxF "${BACKUP_BUCKET%/}/${relative}" "${folder}/UPLOADED" 2>/dev/null; then continue; fi
    upload_folder "${folder}" "${BACKUP_BUCKET%/}/${relative}"
    if ((UPLOADED_OK == 1)); then
      say "uploaded ${relative} to ${BACKUP_BUCKET%/}"
    else
      UPLOAD_FAILED=1
      say "error: ${relative} was not uploaded; check the bucket, its permissions and the network. The next run tries again."
    fi
  done
}

# Retention, metrics, end.

prune_all() {
  local place folder kept REPLY
  for place in "${BACKUP_DIR}"/*/; do
    kept=0
    local -a folders=("${place}"*/)
    # Names are times, so the last is the newest.
    for ((i = ${#folders[@]} - 1; i >= 0; i--)); do
      folder=${folders[i]%/}
      is_verified "${folder}"
      if [[ -z ${REPLY} ]]; then
        say "warning: ${folder} is not a verified backup; it is neither counted nor pruned."
      elif ((kept < KEEP_VERIFIED || REPLY + KEEP_DAYS * 86400 > EPOCH)); then
        kept=$((kept + 1))
      else
        # Renamed first: a removal cut short must not leave a backup that looks whole.
        mv "${folder}" "${BACKUP_DIR}/.partial/pruned"
        rm -rf "${BACKUP_DIR}/.partial/pruned"
        say "pruned ${folder#"${BACKUP_DIR}/"}"
      fi
    done
  done
}

write_metrics() {
  [[ -n ${BACKUP_METRICS_FILE:-} ]] || return 0
  local place newest folder name REPLY
  for place in "${BACKUP_DIR}"/*/; do
    newest=0
    for folder in "${place}"*/; do
      is_verified "${folder%/}"
      ((${REPLY:-0} <= newest)) || newest=${REPLY}
    done
    name=${place%/}
    json_text "${name##*/}"
    METRICS+=("closeout_backup_last_verified_timestamp_seconds{folder=${REPLY}} ${newest}")
  done
  METRICS+=("closeout_backup_last_run_timestamp_seconds ${EPOCH}" "closeout_backup_exit_code $1")
  {
    # The samples of one metric stand together, below its type.
    printf '%s\n' "${METRICS[@]}" | sort --stable --field-separator='{' --key=1,1 | awk -F '[{ ]' \
      '$1 != name {name = $1; print "# TYPE " name " gauge"} {print}' >"${BACKUP_METRICS_FILE}.new"
    mv "${BACKUP_METRICS_FILE}.new" "${BACKUP_METRICS_FILE}"
  } || say "warning: BACKUP_METRICS_FILE ${BACKUP_METRICS_FILE} cannot be written."
}

beat() { # the address may hold a token, so it goes through a pipe and not through argv
  [[ -n ${BACKUP_HEARTBEAT_URL:-} ]] || return 0
  local address=${BACKUP_HEARTBEAT_URL//\\/}
  printf 'url = "%s"\n' "${address//\"/}" |
    curl --silent --show-error --fail --max-time 20 --output /dev/null --config - ||
    say 'warning: the heartbeat address did not answer.'
}

leave() {
  local code=$?
  trap - EXIT INT TERM
  [[ -z ${CHILD} ]] || end_job
  if [[ -n ${LOCK:-} ]]; then rm -rf "${BACKUP_DIR}/.partial"; fi
  exit "${code}"
}

main() {
  case ${1:-} in
    --help | -h)
      usage
      exit 0
      ;;
    '') ;;
    *) stop "${EXIT_USAGE}" "unknown argument '$1'; settings come from the environment, see --help." ;;
  esac
  CHILD='' LOCK='' UPLOAD_TOOL='' UPLOAD_FAILED=0
  METRICS=()
  DATABASES=()
  local code=0 database name started
  read_settings
  require_programs
  choose_upload_tool
  STAMP=$(date -u +%Y%m%dT%H%M%SZ)
  EPOCH=$(date -u +%s)
  readonly STAMP EPOCH
  take_lock
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  check_server
  calm_sessions
  check_clock
  choose_compression
  list_databases
  check_free_space

  started=${SECONDS}
  isolated "${GLOBALS}" back_up_globals
  report "${GLOBALS}" "${GLOBALS}" "$((SECONDS - started))"
  ((STATUS == 0)) || code=${EXIT_PARTIAL}
  for database in "${DATABASES[@]}"; do
    folder_name "${database}"
    name=${REPLY}
    started=${SECONDS}
    isolated "${name}" back_up_database "${database}" "${name}"
    report "${database}" "${name}" "$((SECONDS - started))"
    ((STATUS == 0)) || code=${EXIT_PARTIAL}
  done

  upload_all
  if ((code == 0 && UPLOAD_FAILED == 1)); then code=${EXIT_UPLOAD}; fi
  if ((code == 0)); then
    prune_all
    beat
  else
    say 'nothing was pruned, since not everything succeeded: mend what the errors above name and run again.'
  fi
  write_metrics "${code}"
  exit "${code}"
}

main "$@"
