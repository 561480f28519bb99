# test/setup.sh
#
# What the tests, the demo and the benchmarks share: it is sourced by bash
# scripts, never run.  It
#
#  - makes sure that the packages are there (as root or with sudo; otherwise it
#    says what to install and exits with status 2);
#  - makes a temporary directory with a private, relocated copy of the
#    PostgreSQL installation and a copy of this source tree, so that neither the
#    system's installation, nor any cluster of the system, nor this tree is
#    written to.  PostgreSQL finds its share and lib directories relative to its
#    programs, so a copy with the same shape is a complete installation;
#  - runs everything as an ordinary user (as root: as user postgres);
#  - removes all of it at the end, also on Ctrl-C, after ending every process
#    that works below the temporary directory.
#
# The caller sets WEIR_ROOT (this source tree) and may set
#	PG_CONFIG	pg_config of the server to use; or
#	PG_MAJOR	its version, installed as Debian does, default 15
#	KEEP		not empty: leave the temporary directory (and servers) behind
# It gets WEIR_TMP, WEIR_SRC (the copy of the tree), WEIR_BIN (server programs),
# and from weir_small_disk WEIR_SMALL_DISK.

if [ -n "${PG_CONFIG:-}" ]
then
	PG_MAJOR=$("$PG_CONFIG" --version) || exit
	PG_MAJOR=$(printf '%s\n' "$PG_MAJOR" | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
	PG_LIB=$(realpath "$("$PG_CONFIG" --bindir)/..")
	PG_SHARE=$(realpath "$("$PG_CONFIG" --sharedir)")
	PG_INCLUDE=$(realpath "$("$PG_CONFIG" --includedir-server)")
else
	PG_MAJOR=${PG_MAJOR:-15}
	PG_LIB=/usr/lib/postgresql/$PG_MAJOR
	PG_SHARE=/usr/share/postgresql/$PG_MAJOR
	PG_INCLUDE=/usr/include/postgresql/$PG_MAJOR/server
fi

weir_job=
WEIR_TMP=
WEIR_PGHOST=
WEIR_SMALL_DISK=

weir_say()
{
	printf '%s\n' "# $*"
}

weir_die()
{
	printf '%s\n' "$0: $*" >&2
	exit 1
}

# Each line: what has to exist, and the package that brings it.
weir_requirements()
{
	cat <<-REQ
		$PG_LIB/bin/postgres postgresql-$PG_MAJOR
		$PG_LIB/bin/psql postgresql-client-$PG_MAJOR
		$PG_INCLUDE/postgres.h postgresql-server-dev-$PG_MAJOR
		command:gcc gcc
		/usr/include/stdio.h libc6-dev
		command:nm binutils
		command:make make
		command:perl perl
	REQ
	case " $* " in
		*" tests "*)
			cat <<-REQ
				command:prove perl
				perl:IPC::Run libipc-run-perl
				$PG_SHARE/extension/hll.control postgresql-$PG_MAJOR-hll
				$PG_SHARE/extension/tdigest.control postgresql-$PG_MAJOR-tdigest
			REQ
			;;
	esac
	case " $* " in
		*" valgrind "*) echo "command:valgrind valgrind" ;;
	esac
}

weir_missing_packages()
{
	weir_requirements "$@" | while read -r what package
	do
		case $what in
			command:*) command -v "${what#command:}" >/dev/null && continue ;;
			perl:*) perl -M"${what#perl:}" -e 1 2>/dev/null && continue ;;
			*) [ -e "$what" ] && continue ;;
		esac
		echo "$package"
	done | sort -u
}

# The packages must not create or start a cluster of the system: installing
# the server would, unless postgresql-common, which is installed first, is told
# otherwise.  The drop-in is ours alone and is removed again.
weir_install_packages()
{
	local sudo=$1 dropin=/etc/postgresql-common/createcluster.d/zz-weir-test-$$.conf
	local apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends"
	local status=0

	shift
	weir_say "installing: $*"
	$sudo apt-get -q update || return
	if [ ! -x "$PG_LIB/bin/postgres" ]
	then
		$apt install postgresql-common || return
		$sudo mkdir -p "${dropin%/*}" || return
		echo "create_main_cluster = false" | $sudo tee "$dropin" >/dev/null || return
		weir_dropin="$sudo rm -f $dropin"
	fi
	$apt install "$@" || status=$?
	if [ -n "${weir_dropin:-}" ]
	then
		$weir_dropin
		weir_dropin=
	fi
	return $status
}

# weir_need [tests]: everything installed when it returns.
weir_need()
{
	local missing sudo= list

	missing=$(weir_missing_packages "$@")
	[ -z "$missing" ] && return
	list=$(echo $missing)
	if ! command -v apt-get >/dev/null
	then
		echo "$0: these are missing (names of Debian packages): $list" >&2
		exit 2
	fi
	if [ "$(id -u)" -ne 0 ]
	then
		if ! sudo -n true 2>/dev/null
		then
			cat >&2 <<-MSG
				$0: packages are missing, and this user cannot install them. As root, run:

				    apt-get update && apt-get install --no-install-recommends $list
			MSG
			exit 2
		fi
		sudo=sudo
	fi
	weir_install_packages "$sudo" $missing </dev/null ||
		weir_die "could not install: $list"
	missing=$(weir_missing_packages "$@")
	[ -z "$missing" ] || weir_die "still missing after installation: $(echo $missing)"
}

# Can clang build a program for libFuzzer?  The runtime is in a package of its own.
weir_clang_fuzzes()
{
	local clang

	for clang in $(compgen -c clang | grep -xE 'clang(-[0-9]+)?' | sort -u)
	do
		echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return 0; }' |
			"$clang" -x c -fsanitize=fuzzer,address,undefined - -o "$WEIR_TMP/try" 2>/dev/null && return
	done
	return 1
}

# The same, after an attempt to install it.  Nothing depends on it, so that it is
# no error if that fails.
weir_have_libfuzzer()
{
	local sudo= major

	weir_clang_fuzzes && return
	command -v apt-cache >/dev/null || return
	if [ "$(id -u)" -ne 0 ]
	then
		sudo -n true 2>/dev/null || return
		sudo=sudo
	fi
	major=$(apt-cache depends clang 2>/dev/null | sed -nE 's/^ *Depends: clang-([0-9]+)$/\1/p')
	[ -n "$major" ] || return
	weir_install_packages "$sudo" "clang-$major" "libclang-rt-$major-dev" </dev/null >"$WEIR_TMP/log/clang" 2>&1 &&
		weir_clang_fuzzes
}

# Runs a command as the user of the tests, in the temporary directory.
as_user()
{
	(
		unset "${!PG@}" "${!MAKE@}" MFLAGS
		cd "$WEIR_TMP" || exit
		export HOME="$WEIR_TMP/home" TMPDIR="$WEIR_TMP/t" LANG=C.UTF-8
		export PATH="$WEIR_BIN:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
		[ -n "$WEIR_PGHOST" ] && export PGHOST="$WEIR_PGHOST"
		[ -n "${WEIR_START_SECONDS:-}" ] && export PGCTLTIMEOUT="$WEIR_START_SECONDS"
		unset LC_ALL LC_MESSAGES LANGUAGE
		if [ "$(id -u)" -eq 0 ]
		then
			exec runuser -u postgres -- "$@"
		else
			exec "$@"
		fi
	)
}

# Runs a command or function in a process group of its own, without input, and
# waits for it, so that an interrupt reaches weir_cleanup first and at once.
weir_run()
{
	local status=0

	set -m
	"$@" </dev/null &
	weir_job=$!
	set +m
	wait "$weir_job" || status=$?
	weir_job=
	return $status
}

# Pids of the processes whose working directory is below the temporary one;
# with an argument, only those of the server.
weir_processes()
{
	local proc dir

	for proc in /proc/[0-9]*
	do
		dir=$(readlink "$proc/cwd" 2>/dev/null) || continue
		case $dir/ in
			"$WEIR_TMP"/*) ;;
			*) continue ;;
		esac
		if [ -n "${1:-}" ]
		then
			case $(readlink "$proc/exe" 2>/dev/null) in
				*/postgres*) ;;
				*) continue ;;
			esac
		fi
		echo "${proc#/proc/}"
	done
}

weir_cleanup()
{
	local status=$? pids i

	trap '' INT TERM HUP
	trap - EXIT
	[ -n "$weir_job" ] && kill -TERM -- "-$weir_job" 2>/dev/null
	if [ -n "${weir_dropin:-}" ]
	then
		$weir_dropin
	fi
	[ -n "$WEIR_TMP" ] || exit "$status"
	if [ -n "${KEEP:-}" ]
	then
		weir_say "left behind, as KEEP is set: $WEIR_TMP"
		exit "$status"
	fi
	pids=$(weir_processes server)
	[ -z "$pids" ] || kill -QUIT $pids 2>/dev/null
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
	do
		pids=$(weir_processes)
		[ -z "$pids" ] && break
		[ "$i" -eq 2 ] && kill -TERM $pids 2>/dev/null
		[ "$i" -eq 20 ] && kill -KILL $pids 2>/dev/null
		sleep 0.25
	done
	cd /
	[ -z "$WEIR_SMALL_DISK" ] || umount "$WEIR_SMALL_DISK" || exit
	rm -rf "$WEIR_TMP"
	exit "$status"
}

# Copies the installation to the same place below WEIR_TMP.  Debian has its parts
# in several directories, next to those of other versions; elsewhere they share
# one.
weir_copy_server()
{
	local dir dirs=$PG_LIB

	case $PG_SHARE in
		"$PG_LIB"/*) ;;
		*) dirs="$dirs $PG_SHARE" ;;
	esac
	for dir in $dirs
	do
		mkdir -p "$WEIR_TMP${dir%/*}" &&
		cp -R --preserve=mode,links,timestamps "$dir" "$WEIR_TMP$dir" || return
	done
	if [ ! -e "$WEIR_TMP$PG_INCLUDE" ]
	then
		mkdir -p "$WEIR_TMP${PG_INCLUDE%/*}" &&
		ln -s "$PG_INCLUDE" "$WEIR_TMP$PG_INCLUDE" || return
	fi
	# Debian's pgxs looks here
	if [ -d /usr/share/postgresql-common ]
	then
		mkdir -p "$WEIR_TMP/usr/share" &&
		ln -s /usr/share/postgresql-common "$WEIR_TMP/usr/share/postgresql-common" || return
	fi
	# An older weir of the system's must not be mistaken for this one.
	find "$WEIR_TMP$PG_LIB" "$WEIR_TMP$PG_SHARE" \( -name weir.so -o -path '*/extension/weir[.-]*' \) -delete
}

# weir_setup NAME [tests]: packages, temporary directory, installation, tree.
weir_setup()
{
	local name=$1 base=${TMPDIR:-/tmp}
	shift

	trap weir_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP

	weir_need "$@"

	# The path of a Unix-domain socket is limited to 107 bytes.
	[ ${#base} -le 40 ] || base=/tmp
	WEIR_TMP=$(mktemp -d "$base/weir-$name.XXXXXX") || exit
	WEIR_BIN=$WEIR_TMP$PG_LIB/bin
	WEIR_SRC=$WEIR_TMP/src
	chmod 711 "$WEIR_TMP"
	mkdir "$WEIR_TMP/src" "$WEIR_TMP/home" "$WEIR_TMP/t" "$WEIR_TMP/log"
	weir_copy_server || weir_die "could not copy the PostgreSQL installation"
	tar -C "$WEIR_ROOT" -cf - --exclude=./.git --exclude='./tmp_check*' \
		--exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude='./weir--*.sql' \
		--exclude=./results --exclude=./output_iso --exclude=./log . |
		tar -C "$WEIR_SRC" -xf - --no-same-owner || weir_die "could not copy $WEIR_ROOT"
	if [ "$(id -u)" -eq 0 ]
	then
		chmod -R a+rX "$WEIR_SRC"
		chown -R postgres: "$WEIR_TMP" || exit
	fi
}

# weir_small_disk MB: a disk that is easily full, where this user may mount one.
weir_small_disk()
{
	local dir=$WEIR_TMP/small

	[ "$(id -u)" -eq 0 ] || return 0
	mkdir "$dir" || return
	mount -t tmpfs -o "size=${1}m,mode=700,uid=$(id -u postgres)" weir "$dir" 2>/dev/null &&
		WEIR_SMALL_DISK=$dir
	return 0
}

# weir_start_server [SETTING...]: a private server, which as_user's programs
# talk to without being told.
weir_start_server()
{
	local log=$WEIR_TMP/log/initdb

	as_user initdb -D "$WEIR_TMP/data" --no-locale -E UTF8 -A trust -N >"$log" 2>&1 ||
		{ cat "$log"; weir_die "initdb failed"; }
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$WEIR_TMP/t'" \
		"port = 5432" "timezone = 'UTC'" "log_min_messages = warning" "$@" |
		as_user tee -a "$WEIR_TMP/data/postgresql.conf" >/dev/null
	WEIR_PGHOST=$WEIR_TMP/t
	as_user pg_ctl -D "$WEIR_TMP/data" -l "$WEIR_TMP/log/server" -w start >/dev/null ||
		{ cat "$WEIR_TMP/log/server"; weir_die "the server does not start"; }
}

# weir_make ARG...: make in the copied tree, for the copied installation.
weir_make()
{
	as_user make -C "$WEIR_SRC" --no-print-directory with_llvm=no \
		PG_CONFIG="$WEIR_BIN/pg_config" "$@"
}

# weir_build [PG_CFLAGS]: builds and installs; the compiler's words on stdout.
weir_build()
{
	weir_make -s -j "$(nproc)" PG_CFLAGS="${1:-}" 2>&1 &&
	weir_make -s install 2>&1
}
