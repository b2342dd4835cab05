#!/usr/bin/env bash
# Restore a backup that backup-database.sh made, and prove that its content came back.
# `restore-database.sh --help` lists the settings and the exit codes.
#
# SC2310: a function that stands in a condition tells by its status alone; none relies on `set -e`.
# shellcheck disable=SC2310
set -euo pipefail
shopt -s inherit_errexit nullglob
umask 077
export LC_ALL=C

readonly EXIT_FAILED=1 EXIT_USAGE=2 EXIT_PREFLIGHT=3 EXIT_DAMAGED=6 EXIT_DIFFERS=7 EXIT_OCCUPIED=8
readonly GLOBALS='@globals'

usage() {
  cat <<'TEXT'
usage: restore-database.sh BACKUP [--into NAME] [--replace]
       restore-database.sh --newest DATABASE [--into NAME] [--replace]
       restore-database.sh --globals
       restore-database.sh --drill
       restore-database.sh --help

BACKUP is a folder BACKUP_DIR/<database>/<time>. Its sums are checked first. The dump goes into a
new database beside the target, its content is compared with the manifest table by table, and
only then do the names change: whatever happens before, the target stays as it was.

  --newest DATABASE  the newest verified backup of DATABASE below BACKUP_DIR
  --into NAME        name of the restored database (default: the name that was backed up)
  --replace          where the target holds something: keep it as before_<time>_<name>
  --globals          restore roles and tablespaces of the newest verified backup; existing
                     ones stay and take the attributes of the backup
  --drill            restore the newest verified backup of every database below BACKUP_DIR into
                     a throw-away server, compare, and report age and duration

Server (not for --drill)
  POSTGRES_HOST           host name or socket folder (or PGHOST); required
  POSTGRES_PORT           port (or PGPORT; default 5432)
  POSTGRES_USER           role (or PGUSER); required; must be allowed to create databases
  PGPASSWORD              password; or POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE, PGPASSFILE
  PGBIN                   folder of pg_restore and psql (for --drill: and of the server)
  RESTORE_MAINTENANCE_DB  database to connect to first (default postgres)

What and how
  BACKUP_DIR              folder of the backups, for --newest, --globals and --drill
  RESTORE_JOBS            parallel workers (default 2)
  RESTORE_OWNERSHIP       keep (default: the roles must exist) or ignore
  RESTORE_AGE_IDENTITY    file with the age key, for an encrypted dump
  RESTORE_SCRATCH         folder for what is decrypted and for the drill's server (default TMPDIR)
  RESTORE_METRICS_FILE    Prometheus text file for the drill to write

Exit codes
  0 restored, and the content is what the manifest says
  1 the restore failed; the target is as it was
  2 an argument or a setting is missing or wrong, or a program is not installed
  3 the server or its credentials forbid a restore, or there is no verified backup
  6 the backup is damaged: a sum, the manifest or the key does not fit
  7 the restored content differs from the manifest; the target is as it was
  8 the target holds something and --replace was not given
TEXT
}

say() { printf 'restore-database: %s\n' "$*" >&2; }

stop() { # code, message
  local code=$1
  shift
  say "error: $*"
  exit "${code}"
}

json_text() { # the answer is in REPLY
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  REPLY="\"${text//$'\t'/\\t}\""
}

conninfo() { # quoted, since a name with '=' would else be read as a connection string
  local name=${1//\\/\\\\}
  REPLY="dbname='${name//\'/\\\'}'"
}

identifier() { REPLY="\"${1//\"/\"\"}\""; }

literal() { # no backslash is special inside quotes: standard_conforming_strings is on
  REPLY="'${1//\'/\'\'}'"
}

session() { # database, further psql arguments
  local name=$1 REPLY
  shift
  conninfo "${name}"
  psql --no-psqlrc --no-password --quiet --tuples-only --no-align --field-separator=$'\t' \
    --set=ON_ERROR_STOP=1 --dbname="${REPLY}" "$@"
}

require_program() { # name, why
  command -v "$1" >/dev/null || stop "${EXIT_USAGE}" "'$1' is not installed; $2."
}

# Settings and preflight.

read_settings() {
  [[ -z ${PGBIN:-} ]] || PATH="${PGBIN}:${PATH}"
  MAINTENANCE=${RESTORE_MAINTENANCE_DB:-postgres}
  JOBS=${RESTORE_JOBS:-2}
  [[ ${JOBS} =~ ^[1-9][0-9]*$ ]] ||
    stop "${EXIT_USAGE}" "RESTORE_JOBS must be a whole number above 0, not '${JOBS}'."
  OWNERSHIP=()
  case ${RESTORE_OWNERSHIP:-keep} in
    keep) ;;
    ignore) OWNERSHIP=(--no-owner --no-privileges) ;;
    *) stop "${EXIT_USAGE}" "RESTORE_OWNERSHIP is keep or ignore, not '${RESTORE_OWNERSHIP}'." ;;
  esac
  local program
  for program in psql pg_restore sha256sum diff sort; do
    require_program "${program}" 'install the PostgreSQL client and coreutils, or set PGBIN'
  done
  unset PGDATABASE PGOPTIONS
  export PGAPPNAME=restore-database PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-10}
  SCRATCH=$(mktemp -d "${RESTORE_SCRATCH:-${TMPDIR:-/tmp}}/restore.XXXXXXXX") ||
    stop "${EXIT_USAGE}" 'RESTORE_SCRATCH is not a folder that can be written to.'
}

read_server() {
  export PGHOST=${POSTGRES_HOST:-${PGHOST:-}} PGPORT=${POSTGRES_PORT:-${PGPORT:-5432}}
  export PGUSER=${POSTGRES_USER:-${PGUSER:-}}
  [[ -n ${PGHOST} ]] || stop "${EXIT_USAGE}" 'POSTGRES_HOST is not set; name the server.'
  [[ -n ${PGUSER} ]] || stop "${EXIT_USAGE}" 'POSTGRES_USER is not set; name the role.'
  if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then
    [[ -r ${POSTGRES_PASSWORD_FILE} ]] ||
      stop "${EXIT_USAGE}" 'POSTGRES_PASSWORD_FILE cannot be read; check the path and its mode.'
    PGPASSWORD=$(<"${POSTGRES_PASSWORD_FILE}")
  fi
  PGPASSWORD=${PGPASSWORD:-${POSTGRES_PASSWORD:-}}
  if [[ -n ${PGPASSWORD} ]]; then export PGPASSWORD; else unset PGPASSWORD; fi
  local answer
  answer=$(session "${MAINTENANCE}" --command='SELECT 1' 2>&1) ||
    stop "${EXIT_PREFLIGHT}" "cannot log in: ${answer//$'\n'/ } Check host, port and password."
}

is_verified() { # backup folder: the epoch of the backup in REPLY, empty where it is not verified
  local epoch='' sum='' actual=''
  REPLY=''
  [[ -f $1/VERIFIED && -f $1/SHA256SUMS ]] || return 0
  read -r epoch sum <"$1/VERIFIED" || true
  actual=$(sha256sum "$1/SHA256SUMS") || actual=''
  if [[ ${epoch} =~ ^[0-9]+$ && -n ${sum} && ${actual%% *} == "${sum}" ]]; then REPLY=${epoch}; fi
}

newest() { # folder of one database: its newest verified backup in REPLY
  local folder best='' found=0
  for folder in "$1"/*/; do
    is_verified "${folder%/}"
    if ((${REPLY:-0} > found)); then
      found=${REPLY}
      best=${folder%/}
    fi
  done
  REPLY=${best}
}

recorded_name() { # backup folder: the database's own name in REPLY, decoded from the folder's
  local name=${1%/*}
  name=${name##*/}
  printf -v REPLY '%b' "${name//%/\\x}"
}

require_backup_folder() {
  [[ -n ${BACKUP_DIR:-} && -d ${BACKUP_DIR} ]] ||
    stop "${EXIT_USAGE}" "BACKUP_DIR '${BACKUP_DIR:-}' is not a folder."
}

check_sums() { # backup folder: nothing missing, nothing added, nothing changed
  local listed present complaint
  is_verified "$1"
  [[ -n ${REPLY} ]] || stop "${EXIT_DAMAGED}" \
    "$1 is not a verified backup (VERIFIED or SHA256SUMS is missing or does not fit); take another."
  complaint=$(cd "$1" && sha256sum --check --quiet --strict SHA256SUMS 2>&1) ||
    stop "${EXIT_DAMAGED}" "$1 is damaged: ${complaint//$'\n'/ }; take another backup."
  listed=$(cut -c 67- "$1/SHA256SUMS" | sort)
  present=$(cd "$1" && find . -type f ! -path ./SHA256SUMS ! -path ./VERIFIED ! -path ./UPLOADED \
    -printf '%P\n' | sort)
  [[ ${listed} == "${present}" ]] ||
    stop "${EXIT_DAMAGED}" "$1 holds other files than SHA256SUMS lists; take another backup."
}

open_dump() { # backup folder: the dump's folder in DUMP, decrypted where it has to be
  DUMP=$1/dump
  [[ ! -d ${DUMP} ]] || return 0
  [[ -f $1/dump.tar.age ]] || stop "${EXIT_DAMAGED}" "$1 holds no dump; take another backup."
  [[ -r ${RESTORE_AGE_IDENTITY:-} ]] ||
    stop "${EXIT_USAGE}" 'the dump is encrypted; set RESTORE_AGE_IDENTITY to the file with its key.'
  require_program age 'install it to decrypt the dump'
  require_program tar 'install it to unpack the dump'
  mkdir -p "${SCRATCH}/plain"
  age --decrypt --identity "${RESTORE_AGE_IDENTITY}" "$1/dump.tar.age" |
    tar --extract --directory="${SCRATCH}/plain" --file=- ||
    stop "${EXIT_DAMAGED}" 'the dump cannot be decrypted; RESTORE_AGE_IDENTITY is not its key.'
  DUMP=${SCRATCH}/plain/dump
}

# The restore of one database.

look_at_target() { # database: PRESENT and OCCUPIED
  local REPLY answer
  literal "$1"
  answer=$(session "${MAINTENANCE}" --command="SELECT 1 FROM pg_database WHERE datname = ${REPLY}") ||
    stop "${EXIT_PREFLIGHT}" 'the databases cannot be listed.'
  PRESENT=${answer:-0} OCCUPIED=0
  ((PRESENT == 1)) || return 0
  answer=$(session "$1" --command="SELECT (EXISTS (
      SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
    OR EXISTS (SELECT FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
    OR EXISTS (SELECT FROM pg_largeobject_metadata))::int") ||
    stop "${EXIT_PREFLIGHT}" "the database $1 cannot be looked at."
  OCCUPIED=${answer}
}

create_beside() { # backup folder, new name
  local encoding collate ctype owner name REPLY
  IFS='|' read -r encoding collate ctype owner <"$1/database.txt"
  identifier "$2"
  name=${REPLY}
  local statement="CREATE DATABASE ${name} TEMPLATE template0"
  literal "${encoding}"
  statement+=" ENCODING ${REPLY}"
  literal "${collate}"
  statement+=" LC_COLLATE ${REPLY}"
  literal "${ctype}"
  statement+=" LC_CTYPE ${REPLY}"
  if ((${#OWNERSHIP[@]} == 0)); then
    identifier "${owner}"
    statement+=" OWNER ${REPLY}"
  fi
  session "${MAINTENANCE}" --command="${statement}" ||
    stop "${EXIT_FAILED}" "no database could be created beside the target; if a role is missing, run --globals first."
  BESIDE=$2
}

drop_beside() {
  local name=${BESIDE} REPLY
  [[ -n ${name} ]] || return 0
  BESIDE=''
  identifier "${name}"
  session "${MAINTENANCE}" --command="DROP DATABASE IF EXISTS ${REPLY}" ||
    say "warning: the unfinished database ${name} is left; drop it."
}

compare_content() { # backup folder, database
  [[ -f $1/content.tsv && -f $1/content.sql ]] ||
    stop "${EXIT_DAMAGED}" "$1 has no manifest of its content; take another backup."
  session "$2" --single-transaction --file="$1/content.sql" --output="${SCRATCH}/content.tsv" ||
    stop "${EXIT_FAILED}" 'the restored content could not be summed up.'
  sort "$1/content.tsv" >"${SCRATCH}/expected"
  sort "${SCRATCH}/content.tsv" >"${SCRATCH}/actual"
  diff "${SCRATCH}/expected" "${SCRATCH}/actual" >&2 ||
    stop "${EXIT_DIFFERS}" 'the restored content differs from the manifest (< backed up, > restored).'
}

take_name() { # target name: both names change in one transaction
  local target=$1 via=${MAINTENANCE} old='' aside='' beside statement='BEGIN;' REPLY
  # A session cannot rename the database that it is connected to.
  [[ ${target} != "${via}" ]] || via=template1
  identifier "${BESIDE}"
  beside=${REPLY}
  if ((PRESENT == 1)); then
    old=before_${STAMP}_${target:0:40}
    identifier "${old}"
    aside=${REPLY}
    identifier "${target}"
    statement+=" ALTER DATABASE ${REPLY} RENAME TO ${aside};"
  fi
  identifier "${target}"
  statement+=" ALTER DATABASE ${beside} RENAME TO ${REPLY}; COMMIT;"
  session "${via}" --command="${statement}" ||
    stop "${EXIT_FAILED}" "the names could not change; end the connections to ${target} and run again."
  BESIDE=''
  if ((OCCUPIED == 1)); then
    say "the database of before is kept as ${old}; drop it when nobody needs it."
  elif ((PRESENT == 1)); then
    session "${via}" --command="DROP DATABASE ${aside}" ||
      say "warning: the empty database ${old} is left; drop it."
  fi
}

restore() { # backup folder, target name, 1 to replace
  local started=${SECONDS} restored=0 epoch tables REPLY
  check_sums "$1"
  is_verified "$1"
  epoch=${REPLY}
  open_dump "$1"
  look_at_target "$2"
  ((OCCUPIED == 0 || $3 == 1)) || stop "${EXIT_OCCUPIED}" \
    "the database $2 holds something; give --replace to keep it aside, or --into another name."
  create_beside "$1" "restoring_${STAMP}_$$"
  conninfo "${BESIDE}"
  pg_restore --no-password --exit-on-error --jobs="${JOBS}" "${OWNERSHIP[@]}" \
    --dbname="${REPLY}" "${DUMP}" &
  CHILD=$! # waited for, since a signal would else be heard only after it has ended
  wait "${CHILD}" || restored=$?
  CHILD=''
  ((restored == 0)) || stop "${EXIT_FAILED}" 'pg_restore ended at the error above; the target is as it was.'
  compare_content "$1" "${BESIDE}"
  tables=$(grep -cv '^large objects' "$1/content.tsv") || tables=0
  take_name "$2"
  rm -rf "${SCRATCH}/plain"
  local database
  json_text "$2"
  database=${REPLY}
  json_text "$1"
  printf '{"event": "restore", "database": %s, "status": "ok", "backup": %s, "tables_equal": %s, "seconds": %s, "backup_age_seconds": %s}\n' \
    "${database}" "${REPLY}" "${tables}" "$((SECONDS - started))" "$((NOW - epoch))"
}

restore_globals() {
  local REPLY
  newest "${BACKUP_DIR}/${GLOBALS}"
  [[ -n ${REPLY} ]] || stop "${EXIT_PREFLIGHT}" "no verified backup of the roles in ${BACKUP_DIR}."
  local folder=${REPLY}
  check_sums "${folder}"
  # A role that is there already is no error; its attributes become those of the backup.
  # shellcheck disable=SC2016 # the dollars quote for PostgreSQL
  sed -E 's/^(CREATE ROLE .*;)$/DO $closeout$ BEGIN \1 EXCEPTION WHEN duplicate_object THEN NULL; END $closeout$;/' \
    "${folder}/globals.sql" >"${SCRATCH}/globals.sql"
  session "${MAINTENANCE}" --file="${SCRATCH}/globals.sql" >/dev/null ||
    stop "${EXIT_FAILED}" 'the roles could not be restored.'
  json_text "${folder}"
  printf '{"event": "restore", "database": "%s", "status": "ok", "backup": %s}\n' "${GLOBALS}" "${REPLY}"
}

# The drill.

start_throw_away_server() { # fast and not durable: fit for a drill and for nothing else
  ((UID != 0)) || stop "${EXIT_USAGE}" 'PostgreSQL refuses to run as root; run the drill as another user.'
  require_program initdb 'install the PostgreSQL server, or set PGBIN'
  require_program pg_ctl 'install the PostgreSQL server, or set PGBIN'
  initdb --pgdata="${SCRATCH}/server" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
    --no-sync >"${SCRATCH}/initdb.log" 2>&1 ||
    stop "${EXIT_FAILED}" "initdb failed: $(<"${SCRATCH}/initdb.log")"
  # Only a socket in a folder of ours: nothing else on the machine can reach it. No parallel
  # queries: they need more shared memory than a container has.
  cat >>"${SCRATCH}/server/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '${SCRATCH}'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
maintenance_work_mem = '256MB'
max_parallel_maintenance_workers = 0
max_parallel_workers_per_gather = 0
CONF
  pg_ctl start --pgdata="${SCRATCH}/server" --wait --silent --log="${SCRATCH}/server.log" >/dev/null ||
    stop "${EXIT_FAILED}" "the throw-away server does not start: $(<"${SCRATCH}/server.log")"
  SERVER=${SCRATCH}/server
  export PGHOST=${SCRATCH} PGPORT=5432 PGUSER=postgres
  unset PGPASSWORD PGPASSFILE PGSERVICE PGSSLMODE
}

drill() {
  local place folder started=${SECONDS} restored=0 oldest=0 epoch REPLY
  start_throw_away_server
  restore_globals
  for place in "${BACKUP_DIR}"/*/; do
    [[ ${place} != */"${GLOBALS}"/ ]] || continue
    newest "${place%/}"
    [[ -n ${REPLY} ]] || stop "${EXIT_PREFLIGHT}" "no verified backup in ${place}"
    folder=${REPLY}
    is_verified "${folder}"
    epoch=${REPLY}
    ((NOW - epoch <= oldest)) || oldest=$((NOW - epoch))
    recorded_name "${folder}"
    restore "${folder}" "${REPLY}" 0
    restored=$((restored + 1))
  done
  ((restored > 0)) || stop "${EXIT_PREFLIGHT}" "there is no backup in ${BACKUP_DIR}."
  printf '{"event": "drill", "status": "ok", "databases": %s, "rto_seconds": %s, "rpo_seconds": %s}\n' \
    "${restored}" "$((SECONDS - started))" "${oldest}"
  if [[ -n ${RESTORE_METRICS_FILE:-} ]]; then
    printf '%s\n' "closeout_restore_drill_timestamp_seconds ${NOW}" \
      "closeout_restore_drill_rto_seconds $((SECONDS - started))" \
      "closeout_restore_drill_databases ${restored}" >"${RESTORE_METRICS_FILE}.new"
    mv "${RESTORE_METRICS_FILE}.new" "${RESTORE_METRICS_FILE}"
  fi
}

leave() {
  local code=$?
  trap - EXIT INT TERM
  if [[ -n ${CHILD} ]]; then
    kill "${CHILD}" 2>/dev/null || true
    wait "${CHILD}" || true
  fi
  drop_beside || true
  [[ -z ${SERVER} ]] || pg_ctl stop --pgdata="${SERVER}" --mode=immediate --silent >/dev/null || true
  [[ -z ${SCRATCH} ]] || rm -rf "${SCRATCH}"
  exit "${code}"
}

main() {
  local action='' backup='' database='' target='' replace=0 REPLY
  while (($# > 0)); do
    case $1 in
      --help | -h)
        usage
        exit 0
        ;;
      --globals | --drill) action=${1#--} ;;
      --replace) replace=1 ;;
      --newest | --into)
        (($# > 1)) || stop "${EXIT_USAGE}" "$1 needs a name; see --help."
        if [[ $1 == --into ]]; then target=$2; else action=newest database=$2; fi
        shift
        ;;
      s3://* | gs://*)
        stop "${EXIT_USAGE}" "copy $1 into a folder first (rclone, aws s3 or gcloud storage)." ;;
      -*) stop "${EXIT_USAGE}" "unknown argument '$1'; see --help." ;;
      *) action=${action:-folder} backup=${1%/} ;;
    esac
    shift
  done
  [[ -n ${action} ]] || stop "${EXIT_USAGE}" 'say what to restore; see --help.'
  SCRATCH='' BESIDE='' SERVER='' CHILD=''
  STAMP=$(date -u +%Y%m%dT%H%M%SZ)
  NOW=$(date -u +%s)
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  read_settings
  if [[ ${action} != folder ]]; then require_backup_folder; fi
  if [[ ${action} != drill ]]; then read_server; fi
  case ${action} in
    drill) drill ;;
    globals) restore_globals ;;
    newest)
      local folder
      for folder in "${BACKUP_DIR}"/*/; do
        recorded_name "${folder}newest"
        [[ ${REPLY} == "${database}" ]] || continue
        newest "${folder%/}"
        backup=${REPLY}
      done
      [[ -n ${backup} ]] ||
        stop "${EXIT_PREFLIGHT}" "no verified backup of ${database} in ${BACKUP_DIR}."
      restore "${backup}" "${target:-${database}}" "${replace}"
      ;;
    *)
      [[ -d ${backup} ]] || stop "${EXIT_USAGE}" "${backup} is not a folder."
      backup=$(cd "${backup}" && pwd -P)
      recorded_name "${backup}"
      restore "${backup}" "${target:-${REPLY}}" "${replace}"
      ;;
  esac
}

main "$@"
