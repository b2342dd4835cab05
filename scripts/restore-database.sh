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
unset CDPATH

readonly EXIT_FAILED=1 EXIT_USAGE=2 EXIT_PREFLIGHT=3 EXIT_FETCH=5 EXIT_DAMAGED=6 EXIT_DIFFERS=7
readonly EXIT_OCCUPIED=8 EXIT_CORRUPT=9 EXIT_INCOMPLETE=10
readonly GLOBALS='@globals'
# The first role of the drill's server is none of the backup's: what the backup says of one called
# postgres, which is not always the first there, must not take our own rights away.
readonly DRILL_ROLE=closeout_drill

usage() {
  cat <<'TEXT'
usage: restore-database.sh BACKUP [--into NAME] [--replace]
       restore-database.sh --newest DATABASE [--into NAME] [--replace]
       restore-database.sh --globals
       restore-database.sh --drill [BACKUP]
       restore-database.sh --help

BACKUP is a folder BACKUP_DIR/<database>/<time>, or its address in a bucket, BACKUP_BUCKET/
<database>/<time>. Its sums are checked first. The dump goes into a new database beside the
target, its content is compared with the manifest table by table and sequence by sequence, and only
then do the names change: whatever happens before, the target stays as it was. A materialised view
is computed anew; one that holds other rows then is named, and nothing more.

  --newest DATABASE  the newest verified backup of DATABASE below BACKUP_DIR, or in the bucket
  --into NAME        name of the restored database (default: the name that was backed up)
  --replace          where the target holds something: keep it as before_<time>_<process>_<name>
  --globals          restore roles and tablespaces of the newest verified backup; existing
                     ones stay and take the attributes of the backup
  --drill            restore BACKUP, or the newest verified backup of every database, into a
                     throw-away server, compare, let pg_amcheck read every index and heap,
                     and report age (RPO) and duration (RTO)

Server (not for --drill)
  POSTGRES_HOST           host name or socket folder (or PGHOST); required
  POSTGRES_PORT           port (or PGPORT; default 5432)
  POSTGRES_USER           role (or PGUSER); required; must be allowed to create databases
  PGPASSWORD              password; or POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE, PGPASSFILE
  PGBIN                   folder of pg_restore and psql (for --drill: and of the server)
  PGCONNECT_TIMEOUT       seconds to wait for the server (default 10)
  RESTORE_MAINTENANCE_DB  database to connect to first (default postgres)

What and how
  BACKUP_DIR              folder of the backups, for --newest, --globals and --drill
  BACKUP_BUCKET           s3://bucket[/prefix] or gs://bucket[/prefix] to take them from instead,
                          where BACKUP_DIR is not set
  BACKUP_DOWNLOAD_TOOL    rclone, aws or gcloud (default: the first that is installed)
  BACKUP_ENDPOINT_URL     another endpoint than the cloud's own, for S3-compatible stores
  BACKUP_DOWNLOAD_TIMEOUT seconds for one backup (default 14400)
  RESTORE_JOBS            parallel workers (default 4: they wait as much as they compute)
  RESTORE_OWNERSHIP       keep (default: the roles must exist) or ignore: policies and user mappings
                          of roles that are not there are left out, and named
  RESTORE_FAILED_VIEWS    deny (default: a materialised view that cannot be computed ends the
                          restore) or leave: it stays empty and is named, with status 10
  RESTORE_AGE_IDENTITY    file with the age key, for an encrypted dump
  RESTORE_SCRATCH         folder for what is decrypted or fetched and for the drill's server
                          (default TMPDIR, else /tmp)
  RESTORE_SERVER_USER     account of the drill's server where root runs the drill (default postgres)
  RESTORE_METRICS_FILE    Prometheus text file for the drill to write

Read by the tool that downloads, and taken over or given a default here
  AWS_ACCESS_KEY_ID and so on, AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE,
  RCLONE_S3_ENV_AUTH, RCLONE_S3_PROVIDER, RCLONE_S3_REGION, RCLONE_GCS_ENV_AUTH,
  RCLONE_GCS_ENDPOINT, RCLONE_CA_CERT

Exit codes
  0 restored, and the content is what the manifest says
  1 the restore failed; the target is as it was
  2 an argument or a setting is missing or wrong, or a program is not installed
  3 the server or its credentials forbid a restore, or there is no verified backup
  5 the bucket cannot be listed, or the backup not be fetched whole
  6 the backup is damaged: a sum, the manifest or the key does not fit
  7 the restored content differs from the manifest; the target is as it was
  8 the target holds something and --replace was not given
  9 pg_amcheck found the restored database corrupt (only a drill asks it)
  10 restored, but for the materialised views that RESTORE_FAILED_VIEWS=leave let be left out
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
  text=${text//$'\t'/\\t}
  REPLY="\"${text//[$'\001'-$'\037']/ }\""
}

json_list() { # texts: the answer is in REPLY
  local text list=''
  for text in "$@"; do
    json_text "${text}"
    list+=", ${REPLY}"
  done
  REPLY="[${list#, }]"
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

# What a backup holds is never read by a psql that would carry out its backslash commands, of which
# one runs a program of this machine: a key that no file can know opens and closes what it reads.

check_restriction() { # psql: refused where it is older than the key
  KEY=$(od -An -N16 -tx1 /dev/urandom)
  KEY=${KEY//[^0-9a-f]/}
  session "${MAINTENANCE}" --command="\\restrict ${KEY}" >/dev/null 2>&1 || stop "${EXIT_PREFLIGHT}" \
    'this psql cannot be kept from commands that a backup may hide (it has no \restrict); install the newest release of its version (13.22, 14.19, 15.14, 16.10, 17.6 or later), or set PGBIN.'
}

statements() { # file of a backup: all but the keys that pg_dump itself writes around it
  sed -E '/^\\(un)?restrict [A-Za-z0-9]+$/d' "$1"
}

run_statements() { # database, what the file is, file or files: the statements, and nothing else
  local database=$1 what=$2 file status=0
  shift 2
  for file in "$@"; do set -- "$@" "--file=${file}" && shift; done
  session "${database}" --set=list="${SCRATCH}/list.sql" --set=answer="${SCRATCH}/content.tsv" \
    "$@" 2>"${SCRATCH}/told" >/dev/null || status=$?
  cat "${SCRATCH}/told" >&2
  ! grep -q 'backslash commands are restricted' "${SCRATCH}/told" || stop "${EXIT_DAMAGED}" \
    "${what} holds a command to psql, which no backup does: somebody changed it; take another backup."
  return "${status}"
}

restricted() { # file: a copy of it in REPLY that psql reads as statements only
  REPLY=${1}.restricted
  { printf '\\restrict %s\n' "${KEY}" && statements "$1"; } >"${REPLY}"
}

require_program() { # name, why
  command -v "$1" >/dev/null || stop "${EXIT_USAGE}" "'$1' is not installed; $2."
}

# Settings and preflight.

read_settings() {
  [[ -z ${PGBIN:-} ]] || PATH="${PGBIN}:${PATH}"
  MAINTENANCE=${RESTORE_MAINTENANCE_DB:-postgres}
  JOBS=${RESTORE_JOBS:-4}
  [[ ${JOBS} =~ ^[1-9][0-9]*$ ]] ||
    stop "${EXIT_USAGE}" "RESTORE_JOBS must be a whole number above 0, not '${JOBS}'."
  OWNERSHIP=()
  case ${RESTORE_OWNERSHIP:-keep} in
    keep) ;;
    ignore) OWNERSHIP=(--no-owner --no-privileges) ;;
    *) stop "${EXIT_USAGE}" "RESTORE_OWNERSHIP is keep or ignore, not '${RESTORE_OWNERSHIP}'." ;;
  esac
  [[ ${RESTORE_FAILED_VIEWS:-deny} =~ ^(deny|leave)$ ]] ||
    stop "${EXIT_USAGE}" "RESTORE_FAILED_VIEWS is deny or leave, not '${RESTORE_FAILED_VIEWS}'."
  local program
  for program in psql pg_restore flock sha256sum find xargs sed awk diff sort od; do
    require_program "${program}" 'install the PostgreSQL client, util-linux and coreutils, or set PGBIN'
  done
  unset PGDATABASE PGOPTIONS
  export PGAPPNAME=restore-database PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-10}
  make_scratch "${RESTORE_SCRATCH:-${TMPDIR:-/tmp}}"
}

make_scratch() { # parent folder; a run that was killed left its own there, which goes first
  local folder server=''
  for folder in "$1"/restore.*/; do
    [[ -O ${folder} && ! -L ${folder%/} ]] || continue
    exec {LOCK}<"${folder}"
    if flock --nonblock "${LOCK}"; then
      read -r server 2>/dev/null <"${folder}server/data/postmaster.pid" || true
      # The number may be another program's by now; a server works in its data folder.
      if [[ -n ${server} && /proc/${server}/cwd -ef ${folder}server/data ]]; then
        kill -QUIT "${server}" || true
      fi
      rm -rf "${folder%/}" || true
    fi
    exec {LOCK}<&-
  done
  SCRATCH=$(mktemp -d "$1/restore.XXXXXXXX") ||
    stop "${EXIT_USAGE}" "RESTORE_SCRATCH $1 is not a folder that can be written to."
  # The folder is its own lock: one that a killed run left is free from the first moment on.
  exec {LOCK}<"${SCRATCH}" || stop "${EXIT_USAGE}" "${SCRATCH} is gone; run again."
  flock --nonblock "${LOCK}" || stop "${EXIT_USAGE}" "another run takes ${SCRATCH} away; run again."
  [[ -d ${SCRATCH} ]] || stop "${EXIT_USAGE}" "another run took ${SCRATCH} away; run again."
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
  [[ -z ${POSTGRES_HOST:-} ]] || unset PGHOSTADDR # it would win over the host that is named here
  ask_server
}

ask_server() { # its version; then our sessions are made fit for it
  local answer
  answer=$(session "${MAINTENANCE}" --command='SHOW server_version_num' 2>&1) ||
    stop "${EXIT_PREFLIGHT}" "cannot log in: ${answer//$'\n'/ } Check host, port and password."
  # A server may answer with warnings too.
  [[ ${answer} =~ (^|$'\n')([0-9]{5,6})$ ]] ||
    stop "${EXIT_PREFLIGHT}" "the server names no version: ${answer//$'\n'/ }"
  SERVER_VERSION=${BASH_REMATCH[2]}
  calm_sessions
  check_restriction
}

calm_sessions() { # no time limit of a role or a database ends ours, as none ends pg_dump's
  local options='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off'
  ((SERVER_VERSION < 140000)) || options+=' -c idle_session_timeout=0'
  ((SERVER_VERSION < 170000)) || options+=' -c transaction_timeout=0'
  # A pooler may refuse what a connection asks for; then the limits stay as they are.
  export PGOPTIONS=${options}
  session "${MAINTENANCE}" --command='SELECT 1' >/dev/null 2>&1 || unset PGOPTIONS
}

check_client() { # from 17 on, pg_restore sets transaction_timeout, which no older server knows
  local answer
  answer=$(pg_restore --version)
  [[ ${answer} =~ \)\ ([0-9]+) ]] ||
    stop "${EXIT_PREFLIGHT}" "pg_restore names no version: ${answer}"
  ((BASH_REMATCH[1] < 17 || SERVER_VERSION >= 170000)) || stop "${EXIT_PREFLIGHT}" \
    "pg_restore ${BASH_REMATCH[1]} cannot restore into PostgreSQL $((SERVER_VERSION / 10000)); restore into PostgreSQL 17 or newer, or set PGBIN to the client that made the backup where that was an older one."
}

is_verified() { # backup folder: the epoch of the backup in REPLY, empty where it is not verified
  local epoch='' sum='' actual=''
  REPLY=''
  [[ -f $1/VERIFIED && -f $1/SHA256SUMS ]] || return 0
  read -r epoch sum <"$1/VERIFIED" || true
  actual=$(sha256sum "$1/SHA256SUMS") || actual=''
  if [[ ${epoch} =~ ^[0-9]+$ && -n ${sum} && ${actual%% *} == "${sum}" ]]; then REPLY=${epoch}; fi
}

# Where backups come from: BACKUP_DIR, or a bucket whose folders are fetched one by one.

choose_download_tool() {
  local -a fitting
  case ${BACKUP_BUCKET} in
    s3://?*) fitting=(rclone aws) ;;
    gs://?*) fitting=(rclone gcloud) ;;
    *) stop "${EXIT_USAGE}" 'BACKUP_BUCKET must begin with s3:// or gs:// and name a bucket.' ;;
  esac
  BACKUP_BUCKET=${BACKUP_BUCKET%/}
  DOWNLOAD_TIMEOUT=${BACKUP_DOWNLOAD_TIMEOUT:-14400}
  [[ ${DOWNLOAD_TIMEOUT} =~ ^[1-9][0-9]*$ ]] || stop "${EXIT_USAGE}" \
    "BACKUP_DOWNLOAD_TIMEOUT must be a whole number above 0, not '${DOWNLOAD_TIMEOUT}'."
  local tool
  for tool in "${fitting[@]}"; do
    [[ -z ${BACKUP_DOWNLOAD_TOOL:-} || ${BACKUP_DOWNLOAD_TOOL} == "${tool}" ]] || continue
    command -v "${tool}" >/dev/null || continue
    DOWNLOAD_TOOL=${tool}
    break
  done
  [[ -n ${DOWNLOAD_TOOL} ]] ||
    stop "${EXIT_USAGE}" "no tool for ${BACKUP_BUCKET}: install one of ${fitting[*]}."
  require_program timeout 'install coreutils'
  REMOTE=:s3:${BACKUP_BUCKET#*://}
  [[ ${BACKUP_BUCKET} == s3://* ]] || REMOTE=:gcs:${BACKUP_BUCKET#*://}
  export RCLONE_S3_ENV_AUTH=${RCLONE_S3_ENV_AUTH:-true}
  export RCLONE_S3_PROVIDER=${RCLONE_S3_PROVIDER:-AWS}
  export RCLONE_S3_REGION=${RCLONE_S3_REGION:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
  export RCLONE_GCS_ENV_AUTH=${RCLONE_GCS_ENV_AUTH:-true}
  if [[ ${DOWNLOAD_TOOL} == rclone && -n ${AWS_CA_BUNDLE:-} ]]; then
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

list_bucket() { # <database>/<time> of every backup whose upload was finished: VERIFIED goes last
  local bucket=${BACKUP_BUCKET#*://} prefix=''
  case ${DOWNLOAD_TOOL} in
    rclone)
      rclone lsf --config= --retries=1 --low-level-retries=3 --recursive --files-only \
        --max-depth=3 --include='/*/*/VERIFIED' "${REMOTE}" | sort
      ;;
    aws)
      [[ ${bucket} != */* ]] || prefix=${bucket#*/}/
      aws s3api list-objects-v2 --bucket "${bucket%%/*}" --prefix "${prefix}" \
        --query 'Contents[].[Key]' --output text | sed -n "s|^${prefix}\\([^/]*/[^/]*/VERIFIED\\)\$|\\1|p" | sort
      ;;
    *)
      gcloud storage ls "${BACKUP_BUCKET}/*/*/VERIFIED" | sed "s|^${BACKUP_BUCKET}/||" | sort
      ;;
  esac
}

fetch() { # <database>/<time>: the folder it was fetched into, in REPLY
  local to=${SCRATCH}/fetched/$1
  rm -rf "${SCRATCH}/fetched"
  mkdir -p "${to}"
  case ${DOWNLOAD_TOOL} in
    rclone)
      set -- rclone copy --config= --retries=1 --low-level-retries=3 --checksum --quiet "${REMOTE}/$1" "${to}"
      ;;
    aws) set -- aws s3 cp --recursive --only-show-errors "${BACKUP_BUCKET}/$1" "${to}" ;;
    *) set -- gcloud storage cp --recursive --quiet "${BACKUP_BUCKET}/$1/*" "${to}" ;;
  esac
  timeout "${DOWNLOAD_TIMEOUT}" "$@" >&2 || stop "${EXIT_FETCH}" \
    "${to#"${SCRATCH}/fetched/"} was not fetched whole; check the bucket, its permissions and the network, and run again."
  [[ -f ${to}/VERIFIED ]] || stop "${EXIT_FETCH}" \
    "${BACKUP_BUCKET}/${to#"${SCRATCH}/fetched/"} is no finished backup; take another."
  REPLY=${to}
}

open_source() { # FOLDERS: the folder name of every database that has a backup
  local folder='' line
  FOLDERS=()
  if [[ -n ${BACKUP_DIR:-} || -z ${BACKUP_BUCKET:-} ]]; then
    BACKUP_BUCKET=''
    [[ -n ${BACKUP_DIR:-} && -d ${BACKUP_DIR} ]] || stop "${EXIT_USAGE}" \
      "BACKUP_DIR '${BACKUP_DIR:-}' is not a folder; name one, or set BACKUP_BUCKET."
    for folder in "${BACKUP_DIR}"/*/; do
      compgen -G "${folder}????????T??????Z/" >/dev/null || continue # such as lost+found
      folder=${folder%/}
      FOLDERS+=("${folder##*/}")
    done
    return 0
  fi
  choose_download_tool
  REMOTE_LIST=$(list_bucket) || stop "${EXIT_FETCH}" \
    "${BACKUP_BUCKET} cannot be listed; check the bucket, its permissions and the network."
  # Whoever may write there names the objects, and a name becomes a folder here.
  REMOTE_LIST=$(grep -E '^[[:alnum:]_%@-][[:alnum:]_.%@-]*/[0-9]{8}T[0-9]{6}Z/VERIFIED$' \
    <<<"${REMOTE_LIST}") || REMOTE_LIST=''
  while IFS= read -r line; do
    [[ -n ${line} ]] || continue
    [[ ${line%%/*} != "${folder}" ]] || continue
    folder=${line%%/*}
    FOLDERS+=("${folder}")
  done <<<"${REMOTE_LIST}"
}

newest() { # folder name of one database: the folder of its newest verified backup in REPLY
  local folder best='' found=0 line
  if [[ -n ${BACKUP_BUCKET:-} ]]; then
    while IFS= read -r line; do
      # The names are times and the list is in order, so the last is the newest.
      [[ ${line%%/*} != "$1" ]] || best=${line%/VERIFIED}
    done <<<"${REMOTE_LIST}"
    REPLY=''
    [[ -z ${best} ]] || fetch "${best}"
    return 0
  fi
  for folder in "${BACKUP_DIR}/$1"/*/; do
    is_verified "${folder%/}"
    if ((${REPLY:-0} > found)); then
      found=${REPLY}
      best=${folder%/}
    fi
  done
  REPLY=${best}
}

open_named() { # folder or address as the user gave it; checked before a server is asked
  local relative=${1%/*}
  if [[ $1 != *://* ]]; then
    [[ -d $1 ]] || stop "${EXIT_USAGE}" "$1 is not a folder."
    BACKUP_BUCKET=''
    return 0
  fi
  relative=${relative##*/}/${1##*/}
  BACKUP_DIR='' BACKUP_BUCKET=${1%/"${relative}"}
  [[ ${relative} =~ ^[^/]+/[0-9]{8}T[0-9]{6}Z$ && ${BACKUP_BUCKET} == *://?* ]] || stop "${EXIT_USAGE}" \
    "'$1' names no backup; an address ends in <database>/<time>, and BACKUP_BUCKET holds what is before."
  choose_download_tool
}

named_backup() { # what open_named saw: the backup's folder in REPLY
  if [[ $1 == *://* ]]; then
    fetch "${1#"${BACKUP_BUCKET}/"}"
  else
    REPLY=$(cd "$1" && pwd -P)
  fi
}

recorded_name() { # backup folder: the database's own name in REPLY, decoded from the folder's
  local name=${1%/*}
  name=${name##*/}
  printf -v REPLY '%b' "${name//%/\\x}"
}

sums() { # folder: a line a file of a backup, by name; several files are read at a time
  local -a digest=(sha256sum)
  # OpenSSL takes the processor's own instructions for it: four times as fast where it has them.
  ! command -v openssl >/dev/null || digest=(openssl dgst -sha256 -r)
  cd "$1" || return
  find . -type f ! -path ./SHA256SUMS ! -path ./VERIFIED ! -path ./UPLOADED -printf '%P\0' |
    xargs -0 --max-procs="${JOBS}" --max-args=2 "${digest[@]}" | sed 's/ \*/  /' | sort -k 2
}

check_sums() { # backup folder: nothing missing, nothing added, nothing changed
  local actual differing REPLY
  is_verified "$1"
  [[ -n ${REPLY} ]] || stop "${EXIT_DAMAGED}" \
    "$1 is not a verified backup (VERIFIED or SHA256SUMS is missing or does not fit); take another."
  actual=$(sums "$1") || stop "${EXIT_DAMAGED}" "$1 cannot be read; take another backup."
  [[ ${actual} != "$(<"$1/SHA256SUMS")" ]] || return 0
  differing=$(diff "$1/SHA256SUMS" - <<<"${actual}" | sed -n 's/^[<>] [^ ]*  //p' | sort -u) || true
  stop "${EXIT_DAMAGED}" \
    "$1 is damaged: not as SHA256SUMS says: ${differing//$'\n'/, }; take another backup."
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

database_text() { # pattern of entries: what the dump says of the database itself, on standard output
  local text
  sed -n -E "/^[0-9]+; [0-9]+ [0-9]+ ($1) /p" "${SCRATCH}/list" >"${SCRATCH}/entries"
  text=$(pg_restore --create --schema-only "${OWNERSHIP[@]}" --use-list="${SCRATCH}/entries" \
    --file=- "${DUMP}") || return 1
  # Without the roles nothing can be set for one of them.
  [[ " ${OWNERSHIP[*]} " != *' --no-privileges '* ]] ||
    text=$(sed '/^ALTER ROLE .* IN DATABASE /d' <<<"${text}")
  [[ -z ${SERVER} ]] || text=$(sed -E 's/^(CREATE DATABASE .*) TABLESPACE = .*;$/\1;/' <<<"${text}")
  printf '%s\n' "${text}"
}

describe_database() { # new name: how to create it, what to set before its content and what after
  local all early from to REPLY
  pg_restore --create --list "${DUMP}" >"${SCRATCH}/list" || return 1
  all=$(database_text 'DATABASE|DATABASE PROPERTIES|[A-Z ]+ - DATABASE') || return 1
  early=$(database_text 'DATABASE PROPERTIES') || return 1
  [[ ${all} =~ 'CREATE DATABASE '(.*)' WITH TEMPLATE = ' ]] || return 1
  from=" DATABASE ${BASH_REMATCH[1]} "
  identifier "$1"
  to=" DATABASE ${REPLY} "
  all=${all//"${from}"/"${to}"}
  early=${early//"${from}"/"${to}"}
  # The dump connects to the database once it is made, and goes on to its grants and settings.
  sed '/^\\encoding /d; /^\\connect /,$d' <<<"${all}" >"${SCRATCH}/create.sql"
  sed '1,/^\\connect /d; /^\\encoding /d; /^\\connect /d' <<<"${all}" >"${SCRATCH}/properties.sql"
  # What a view or a generated column reads has to hold when its rows come back; what would keep
  # us from writing, or from the database, has to wait. What is left out here comes with the rest.
  sed -E '1,/^\\connect /d; /^\\(encoding|connect) /d
    /^ALTER DATABASE .* (CONNECTION LIMIT|IS_TEMPLATE) = /d
    /^ALTER (DATABASE|ROLE) .* SET "?(default_transaction_read_only|role|(session|local)_preload_libraries)"? TO /d' \
    <<<"${early}" >"${SCRATCH}/settings.sql"
}

create_beside() { # new name; encoding, locale and owner are those of the backup
  local REPLY
  describe_database "$1" ||
    stop "${EXIT_DAMAGED}" 'the dump does not tell what database it is of; take another backup.'
  BESIDE=$1
  restricted "${SCRATCH}/create.sql"
  run_statements "${MAINTENANCE}" 'the dump' "${REPLY}" && return 0
  local advice='see the error above'
  case $(<"${SCRATCH}/told") in
    *'role "'*'does not exist'*) advice='run --globals first, or set RESTORE_OWNERSHIP=ignore' ;;
    *'tablespace "'*'does not exist'*) advice='make its folder and run --globals first' ;;
    *'permission denied'*) advice="let ${PGUSER} create databases" ;;
    *locale* | *ollation* | *encoding*)
      advice="install the locale that the error names on the server's machine, or restore into a server that has it"
      ;;
    *) ;;
  esac
  stop "${EXIT_FAILED}" "no database could be created beside the target; ${advice}."
}

apply() { # settings, or properties: those of the database
  local REPLY
  restricted "${SCRATCH}/$1.sql"
  run_statements "${MAINTENANCE}" 'the dump' "${REPLY}" || stop "${EXIT_FAILED}" \
    "the settings of the database could not be restored; the target is as it was. If a role is missing, run --globals first."
}

drop_beside() {
  local name=${BESIDE} REPLY
  [[ -n ${name} ]] || return 0
  BESIDE=''
  identifier "${name}"
  session "${MAINTENANCE}" --command="DROP DATABASE IF EXISTS ${REPLY}" ||
    say "warning: the unfinished database ${name} is left; drop it."
}

sum_up() { # backup folder, database, content, sequences or views: content.tsv, by the rule that
  # the backup brings along
  # The rule makes a statement a table and says `\gexec`, which a psql that is kept from commands
  # refuses: so the statements go into a list, which is then read as the rule itself is.
  local part=${SCRATCH}/rule
  statements "$1/$3.sql" | sed '/^\\gexec$/,$d' >"${part}.2"
  statements "$1/$3.sql" | sed '1,/^\\gexec$/d' >"${part}.4"
  cat >"${part}.1" <<RULE
BEGIN;
\\pset fieldsep ';\n'
\\pset recordsep ';\n'
\\o :list
\\restrict ${KEY}
RULE
  cat >"${part}.3" <<RULE
\\unrestrict ${KEY}
\\pset fieldsep '\t'
\\pset recordsep '\n'
\\o :answer
\\restrict ${KEY}
RULE
  run_statements "$2" "$1/$3.sql" "${part}.1" "${part}.2" "${part}.3" "${SCRATCH}/list.sql" "${part}.4"
}

compare_content() { # backup folder, database
  local differing
  [[ -f $1/content.tsv && -f $1/content.sql ]] ||
    stop "${EXIT_DAMAGED}" "$1 has no manifest of its content; take another backup."
  sum_up "$1" "$2" content || stop "${EXIT_FAILED}" 'the restored content could not be summed up.'
  sort "$1/content.tsv" >"${SCRATCH}/expected"
  sort "${SCRATCH}/content.tsv" >"${SCRATCH}/actual"
  diff "${SCRATCH}/expected" "${SCRATCH}/actual" >&2 ||
    stop "${EXIT_DIFFERS}" 'the restored content differs from the manifest (< backed up, > restored).'
  [[ -f $1/sequences.sql ]] || return 0
  sum_up "$1" "$2" sequences || stop "${EXIT_FAILED}" 'the restored sequences could not be read.'
  # One that moved during the backup may be anywhere between what it was before and after.
  differing=$(awk -F '\t' 'FILENAME == ARGV[1] {number[$1] = $2; next}
    !($1 in number) || ($2 == $3 ? number[$1] "" != $2 "" : (number[$1] - $2) * (number[$1] - $3) > 0) {
      print $1 ": " $2 " to " $3 ", and not " number[$1]
    }' "${SCRATCH}/content.tsv" "$1/sequences.tsv")
  [[ -z ${differing} ]] ||
    stop "${EXIT_DIFFERS}" "restored sequences differ from the manifest: ${differing//$'\n'/; }."
}

compare_views() { # backup folder, database: CHANGED are those that hold other rows; they are computed
  # anew, and one that was stale, or reads the time, may well do so
  local changed view
  CHANGED=()
  [[ -f $1/views.sql ]] || return 0
  sum_up "$1" "$2" views || stop "${EXIT_FAILED}" 'the restored views could not be summed up.'
  changed=$(awk -F '\t' 'FILENAME == ARGV[1] {now[$1] = $0; next}
    $1 in now && now[$1] != $0 {print $1}' "${SCRATCH}/content.tsv" "$1/views.tsv")
  [[ -n ${changed} ]] || return 0
  mapfile -t CHANGED <<<"${changed}"
  for view in "${CHANGED[@]}"; do
    say "warning: the materialised view ${view} holds other rows than when it was backed up: it was stale then, or it reads more than tables, such as the time or a setting of a session; look at it."
  done
}

take_name() { # target name: both names change in one transaction
  local next told target=$1 via=${MAINTENANCE} old='' aside='' beside statement='BEGIN;' REPLY
  # A session cannot rename the database that it is connected to.
  [[ ${target} != "${via}" ]] || via=template1
  identifier "${BESIDE}"
  beside=${REPLY}
  if ((PRESENT == 1)); then
    old=${target:0:32}
    # Cut at a character: what follows inside of one is a byte from 128 to 191.
    printf -v next '%d' "'${target:32:1}"
    while (((next & 192) == 128)); do
      printf -v next '%d' "'${old: -1}"
      old=${old%?}
    done
    old=before_${STAMP}_$$_${old}
    identifier "${old}"
    aside=${REPLY}
    identifier "${target}"
    statement+=" ALTER DATABASE ${REPLY} RENAME TO ${aside};"
  fi
  identifier "${target}"
  statement+=" ALTER DATABASE ${beside} RENAME TO ${REPLY}; COMMIT;"
  told=$(session "${via}" --command="${statement}" 2>&1) || {
    [[ ${told} != *'being accessed by other users'* ]] ||
      told+=" End the connections to ${target} and run again."
    stop "${EXIT_FAILED}" "the names could not change: ${told//$'\n'/ }"
  }
  BESIDE=''
  if ((OCCUPIED == 1)); then
    say "the database of before is kept as ${old}; drop it when nobody needs it."
  elif ((PRESENT == 1)); then
    session "${via}" --command="DROP DATABASE ${aside}" ||
      say "warning: the empty database ${old} is left; drop it."
  fi
}

check_corruption() { # name of the database that BESIDE holds: AMCHECK tells what pg_amcheck made of it
  local complaint status=0 REPLY
  if ! command -v pg_amcheck >/dev/null; then
    AMCHECK='not run: pg_amcheck is not installed'
  elif complaint=$(session "${BESIDE}" --command='CREATE EXTENSION IF NOT EXISTS amcheck WITH SCHEMA pg_catalog' 2>&1 >/dev/null); then
    conninfo "${BESIDE}"
    complaint=$(pg_amcheck --no-password --heapallindexed --parent-check \
      --jobs="${JOBS}" "${REPLY}" 2>&1) || status=$?
    # 2 is what it found; with any other it could not look.
    ((status == 0 || status == 2)) ||
      stop "${EXIT_FAILED}" "pg_amcheck ended with ${status}: ${complaint//$'\n'/ }"
    ((status == 0)) || stop "${EXIT_CORRUPT}" \
      "pg_amcheck finds the restored database $1 corrupt: ${complaint//$'\n'/ }; drill another backup and look at the server it came from."
    AMCHECK=ok
  else
    AMCHECK="not run: there is no extension amcheck: ${complaint//$'\n'/ }"
  fi
  [[ ${AMCHECK} == ok ]] || say "warning: pg_amcheck was ${AMCHECK}."
}

sort_entries() { # the dump's list in parts: content, views, triggers, and roles where they are ignored
  # A view is computed when all else is there. An event trigger would act on that, and on what we
  # do to check the content: it comes last.
  local roles='POLICY|USER MAPPING|COMMENT .* POLICY'
  [[ " ${OWNERSHIP[*]} " == *' --no-owner '* ]] || roles='nothing like that'
  rm -f "${SCRATCH}"/entries.*
  pg_restore --list "${DUMP}" | sed '/^;/d' | roles="^(${roles}) " place="${SCRATCH}/entries." awk '{
      entry = $0
      sub(/^[0-9]+; [0-9]+ [0-9]+ /, "", entry)
      part = "content"
      if (entry ~ /^(COMMENT - |SECURITY LABEL - )?EVENT TRIGGER /) part = "triggers"
      else if (entry ~ /^MATERIALIZED VIEW DATA /) part = "views"
      else if (entry ~ ENVIRON["roles"]) part = "roles"
      print >(ENVIRON["place"] part)
    }'
}

restore_entries() { # part of the list, further options: waited for, since a signal would else be
  # heard only after it has ended
  local part=${SCRATCH}/entries.$1 status=0 REPLY
  shift
  [[ -f ${part} ]] || return 0
  conninfo "${BESIDE}"
  pg_restore --no-password "${OWNERSHIP[@]}" --use-list="${part}" --dbname="${REPLY}" "$@" "${DUMP}" &
  CHILD=$!
  wait "${CHILD}" || status=$?
  CHILD=''
  return "${status}"
}

restore_each() { # part of the list, pattern of what may be missing: FAILED are the entries that were left out
  local entry
  FAILED=()
  [[ -f ${SCRATCH}/entries.$1 ]] || return 0
  while IFS= read -r entry; do
    printf '%s\n' "${entry}" >"${SCRATCH}/entries.one"
    restore_entries one --exit-on-error 2>"${SCRATCH}/told" || {
      grep -q -E "$2" "${SCRATCH}/told" || {
        cat "${SCRATCH}/told" >&2
        return 1
      }
      [[ ${entry} =~ ^[0-9]+\;\ [0-9]+\ [0-9]+\ (.*)\ [^\ ]+$ ]] && entry=${BASH_REMATCH[1]}
      FAILED+=("${entry/MATERIALIZED VIEW DATA/MATERIALIZED VIEW}")
    }
    cat "${SCRATCH}/told" >&2
  done <"${SCRATCH}/entries.$1"
}

restore_dump() { # LEFT_OUT names what a setting allows to be missing
  local entry
  LEFT_OUT=()
  sort_entries || stop "${EXIT_DAMAGED}" 'the dump cannot be listed; take another backup.'
  restore_entries content --exit-on-error --jobs="${JOBS}" ||
    stop "${EXIT_FAILED}" 'pg_restore ended at the error above; the target is as it was.'
  # All or nothing first: most have every role.
  restore_entries roles --exit-on-error --single-transaction 2>/dev/null || {
    restore_each roles 'ERROR: +(role|policy) ".*".* does not exist' || stop "${EXIT_FAILED}" \
      'pg_restore ended at the error above; the target is as it was.'
    LEFT_OUT=("${FAILED[@]}")
    for entry in "${LEFT_OUT[@]}"; do
      say "warning: left out, since its role is not here: ${entry}."
    done
  }
}

restore_views() { # after the content was compared, since they may draw from a sequence: UNREFRESHED
  # names those that a setting allows to be empty
  local entry
  UNREFRESHED=()
  if [[ ${RESTORE_FAILED_VIEWS:-deny} == deny ]]; then
    restore_entries views --exit-on-error || stop "${EXIT_FAILED}" \
      'a materialised view cannot be computed (see the error above); the target is as it was. RESTORE_FAILED_VIEWS=leave restores all else.'
    return 0
  fi
  restore_each views . || stop "${EXIT_FAILED}" 'pg_restore ended; the target is as it was.'
  UNREFRESHED=("${FAILED[@]}")
  for entry in "${UNREFRESHED[@]}"; do
    say "error: not computed, and empty until it is refreshed: ${entry}."
  done
}

restore() { # backup folder, target name, 1 to replace
  local started=${SECONDS} epoch tables amcheck='' REPLY
  check_sums "$1"
  is_verified "$1"
  epoch=${REPLY}
  open_dump "$1"
  look_at_target "$2"
  ((OCCUPIED == 0 || $3 == 1)) || stop "${EXIT_OCCUPIED}" \
    "the database $2 holds something; give --replace to keep it aside, or --into another name."
  create_beside "restoring_${STAMP}_$$"
  apply settings
  restore_dump
  compare_content "$1" "${BESIDE}"
  restore_views
  compare_views "$1" "${BESIDE}"
  tables=$(grep -cv '^large objects' "$1/content.tsv") || tables=0
  if [[ -n ${SERVER} ]]; then
    check_corruption "$2"
    json_text "${AMCHECK}"
    amcheck=", \"amcheck\": ${REPLY}"
  fi
  restore_entries triggers --exit-on-error ||
    stop "${EXIT_FAILED}" 'the event triggers could not be restored; the target is as it was.'
  apply properties
  take_name "$2"
  rm -rf "${SCRATCH}/plain"
  local database state=ok left_out unrefreshed changed
  json_list "${LEFT_OUT[@]}"
  left_out=${REPLY}
  json_list "${UNREFRESHED[@]}"
  unrefreshed=${REPLY}
  json_list "${CHANGED[@]}"
  changed=${REPLY}
  if ((${#UNREFRESHED[@]} > 0)); then state=incomplete INCOMPLETE=1; fi
  json_text "$2"
  database=${REPLY}
  json_text "${1/#"${SCRATCH}/fetched"/"${BACKUP_BUCKET:-}"}"
  printf '{"event": "restore", "database": %s, "status": "%s", "backup": %s, "tables_equal": %s, "seconds": %s, "backup_age_seconds": %s, "left_out": %s, "unrefreshed": %s, "changed_views": %s%s}\n' \
    "${database}" "${state}" "${REPLY}" "${tables}" "$((SECONDS - started))" "$((NOW - epoch))" "${left_out}" "${unrefreshed}" "${changed}" "${amcheck}"
}

restore_globals() {
  local REPLY
  newest "${GLOBALS}"
  [[ -n ${REPLY} ]] || stop "${EXIT_PREFLIGHT}" "no verified backup of the roles in ${BACKUP_DIR:-${BACKUP_BUCKET}}."
  local folder=${REPLY}
  check_sums "${folder}"
  session "${MAINTENANCE}" --output="${SCRATCH}/spaces" \
    --command="SELECT format('CREATE TABLESPACE %I ', spcname) FROM pg_tablespace" ||
    stop "${EXIT_FAILED}" 'the tablespaces cannot be listed.'
  # A drill makes none: they are folders of the server that was backed up.
  [[ -z ${SERVER} ]] || printf ' TABLESPACE \n' >>"${SCRATCH}/spaces"
  # Whom a superuser let grant is whoever was the first role there, and here it is another one.
  local grantors
  grantors=$(sed -n -E 's/^ALTER ROLE (.*) WITH SUPERUSER .*/ GRANTED BY \1;/p' "${folder}/globals.sql")
  # A role that is there already is no error; its attributes become those of the backup.
  # shellcheck disable=SC2016 # the dollars quote for PostgreSQL
  grep --invert-match --fixed-strings --file="${SCRATCH}/spaces" "${folder}/globals.sql" |
    grantors=${grantors} awk 'BEGIN {n = split(ENVIRON["grantors"], lines, "\n"); while (n) grantor[lines[n--]]}
      /^GRANT / && match($0, / GRANTED BY .*;$/) && substr($0, RSTART) in grantor {
        $0 = substr($0, 1, RSTART - 1) ";"
      }
      {print}' |
    sed -E 's/^(CREATE ROLE .*;)$/DO $closeout$ BEGIN \1 EXCEPTION WHEN duplicate_object THEN NULL; END $closeout$;/' \
      >"${SCRATCH}/globals.sql"
  restricted "${SCRATCH}/globals.sql"
  run_statements "${MAINTENANCE}" "${folder}/globals.sql" "${REPLY}" ||
    stop "${EXIT_FAILED}" 'the roles could not be restored.'
  json_text "${folder/#"${SCRATCH}/fetched"/"${BACKUP_BUCKET:-}"}"
  printf '{"event": "restore", "database": "%s", "status": "ok", "backup": %s}\n' "${GLOBALS}" "${REPLY}"
}

# The drill.

as_server() { # program, arguments: as the account of the throw-away server, and without our lock
  if ((UID == 0)); then
    # PostgreSQL refuses to run as root.
    set -- setpriv --reuid="${SERVER_UID}" --regid="${SERVER_GID}" --clear-groups -- "$@"
  fi
  (cd "${SCRATCH}/server" && exec "$@") {LOCK}>&-
}

start_throw_away_server() { # fast and not durable: fit for a drill and for nothing else
  require_program initdb 'install the PostgreSQL server, or set PGBIN'
  require_program pg_ctl 'install the PostgreSQL server, or set PGBIN'
  local user=${RESTORE_SERVER_USER:-postgres} told
  mkdir "${SCRATCH}/server"
  if ((UID == 0)); then
    require_program setpriv 'install util-linux, or run the drill as another user than root'
    SERVER_UID=$(id -u "${user}") || stop "${EXIT_USAGE}" \
      "PostgreSQL refuses to run as root and there is no account ${user}; set RESTORE_SERVER_USER."
    SERVER_GID=$(id -g "${user}")
    chown "${SERVER_UID}:${SERVER_GID}" "${SCRATCH}/server"
    chmod 711 "${SCRATCH}" # what else is in there is open to root alone
  fi
  local data=${SCRATCH}/server/data
  as_server initdb --pgdata="${data}" --username="${DRILL_ROLE}" --auth=trust --encoding=UTF8 --locale=C \
    --no-sync >"${SCRATCH}/initdb.log" 2>&1 ||
    stop "${EXIT_FAILED}" "initdb failed: $(<"${SCRATCH}/initdb.log")"
  # Only a socket in a folder of ours, the data's: nothing else on the machine can reach it. Its
  # whole path may be longer than the 107 bytes that a socket's may have, so the server names it from
  # where it works and we by our lock's descriptor. What parallel workers share lies in files: a
  # container has less shared memory than they need. Indexes are built beside each other already.
  cat >>"${data}/postgresql.conf" <<CONF
listen_addresses = ''
port = 5432
unix_socket_directories = '.'
dynamic_shared_memory_type = mmap
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '4GB'
maintenance_work_mem = '256MB'
max_parallel_maintenance_workers = 0
max_locks_per_transaction = 1024
CONF
  SERVER=${data}
  as_server pg_ctl start --pgdata="${data}" --wait --silent --log="${SCRATCH}/server/log" >/dev/null || {
    told=$(tail -n 5 "${SCRATCH}/server/log" 2>&1) || true
    stop "${EXIT_FAILED}" "the throw-away server does not start: ${told//$'\n'/ }"
  }
  export PGHOST=/proc/self/fd/${LOCK}/server/data PGPORT=5432 PGUSER=${DRILL_ROLE}
  unset PGPASSWORD PGPASSFILE PGSERVICE PGSSLMODE PGHOSTADDR PGCHANNELBINDING PGREQUIREAUTH \
    PGREQUIREPEER PGTARGETSESSIONATTRS PGGSSENCMODE PGSSLNEGOTIATION
  ask_server
}

drill_one() { # backup folder
  local epoch REPLY
  is_verified "$1"
  epoch=${REPLY:-${NOW}}
  ((NOW - epoch <= OLDEST)) || OLDEST=$((NOW - epoch))
  recorded_name "$1"
  restore "$1" "${REPLY}" 0
  DRILLED=$((DRILLED + 1))
  rm -rf "${SCRATCH}/fetched"
}

drill() { # one backup, or nothing for the newest of every database
  local name started=${SECONDS} state=ok amcheck REPLY
  DRILLED=0 OLDEST=0 AMCHECK=''
  start_throw_away_server
  OWNERSHIP+=(--no-tablespaces)
  if [[ -n $1 ]]; then
    OWNERSHIP=(--no-owner --no-privileges --no-tablespaces) # the roles are another backup's
    named_backup "$1"
    drill_one "${REPLY}"
  else
    restore_globals
    for name in "${FOLDERS[@]}"; do
      [[ ${name} != "${GLOBALS}" ]] || continue
      newest "${name}"
      [[ -n ${REPLY} ]] || stop "${EXIT_PREFLIGHT}" "no verified backup of ${name} in ${BACKUP_DIR}."
      drill_one "${REPLY}"
    done
  fi
  ((INCOMPLETE == 0)) || state=incomplete
  ((DRILLED > 0)) ||
    stop "${EXIT_PREFLIGHT}" "there is no backup of a database in ${BACKUP_DIR:-${BACKUP_BUCKET}}."
  json_text "${AMCHECK}"
  amcheck=${REPLY}
  printf '{"event": "drill", "status": "%s", "databases": %s, "rto_seconds": %s, "rpo_seconds": %s, "amcheck": %s}\n' \
    "${state}" "${DRILLED}" "$((SECONDS - started))" "${OLDEST}" "${amcheck}"
  if [[ -n ${RESTORE_METRICS_FILE:-} ]]; then
    printf '# TYPE %s gauge\n%s %s\n' \
      closeout_restore_drill_timestamp_seconds{,} "${NOW}" \
      closeout_restore_drill_rto_seconds{,} "$((SECONDS - started))" \
      closeout_restore_drill_rpo_seconds{,} "${OLDEST}" \
      closeout_restore_drill_databases{,} "${DRILLED}" >"${RESTORE_METRICS_FILE}.new"
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
  [[ -z ${SERVER} ]] ||
    as_server pg_ctl stop --pgdata="${SERVER}" --mode=immediate --silent >/dev/null 2>&1 || true
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
      -*) stop "${EXIT_USAGE}" "unknown argument '$1'; see --help." ;;
      *) action=${action:-folder} backup=${1%/} ;;
    esac
    shift
  done
  [[ -n ${action} ]] || stop "${EXIT_USAGE}" 'say what to restore; see --help.'
  SCRATCH='' BESIDE='' SERVER='' CHILD='' LOCK='' INCOMPLETE=0 DOWNLOAD_TOOL='' REMOTE_LIST=''
  STAMP=$(date -u +%Y%m%dT%H%M%SZ)
  NOW=$(date -u +%s)
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  read_settings
  if [[ -n ${backup} ]]; then open_named "${backup}"; else open_source; fi
  if [[ ${action} != drill ]]; then read_server; fi
  if [[ ${action} == newest || ${action} == folder ]]; then check_client; fi
  case ${action} in
    drill) drill "${backup}" ;;
    globals) restore_globals ;;
    newest)
      local folder
      for folder in "${FOLDERS[@]}"; do
        recorded_name "${folder}/newest"
        [[ ${REPLY} == "${database}" && ${folder} != "${GLOBALS}" ]] || continue
        newest "${folder}"
        backup=${REPLY}
      done
      [[ -n ${backup} ]] || stop "${EXIT_PREFLIGHT}" \
        "no verified backup of ${database} in ${BACKUP_DIR:-${BACKUP_BUCKET}}."
      restore "${backup}" "${target:-${database}}" "${replace}"
      ;;
    *)
      named_backup "${backup}"
      backup=${REPLY}
      recorded_name "${backup}"
      restore "${backup}" "${target:-${REPLY}}" "${replace}"
      ;;
  esac
  ((INCOMPLETE == 0)) || stop "${EXIT_INCOMPLETE}" \
    'all else is restored; mend what the views above read, and REFRESH MATERIALIZED VIEW each.'
}

main "$@"
