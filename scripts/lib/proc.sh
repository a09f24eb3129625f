# shellcheck shell=bash
# Processes that outlive the script, and the ports they listen on.
#
# Each has a file in .local/run with lines key=value. A process is ours only if
# its start time is the one we wrote down: after a crash or a reboot the same
# number may belong to somebody else, and that somebody must not be killed.

# field NAME KEY prints a value from a process's file.
field() {
	[[ -r $STATE/run/$1 ]] || return 0
	sed -n "s/^$2=//p" "$STATE/run/$1"
}

# identity PID prints what tells this process from a later one with the same
# number; nothing if there is none, or only a zombie that awaits its parent.
identity() {
	local stat fields
	if [[ -r /proc/self/stat ]]; then
		{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
		# The name in brackets may hold spaces; we count behind it.
		read -ra fields <<<"${stat##*) }"
		[[ ${fields[0]} == Z ]] || printf '%s:%s' "$(</proc/sys/kernel/random/boot_id)" "${fields[19]}"
		return
	fi
	ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_' || true
}

# running NAME says whether the process we started under that name still lives.
running() {
	local pid id
	pid=$(field "$1" pid) id=$(field "$1" id)
	[[ -n $pid && -n $id && $(identity "$pid") == "$id" ]]
}

# stop NAME asks it to end and waits; after 20 s it is killed. A drain takes
# five seconds by default, so that patience is not endless but ample.
stop() {
	local pid tries=0
	if running "$1"; then
		pid=$(field "$1" pid)
		kill "$pid" 2>/dev/null || die "cannot stop $1 (pid $pid): it belongs to another user"
		while running "$1" && ((tries++ < 200)); do sleep 0.1; done
		if running "$1"; then
			note "$1 (pid $pid) did not end in 20 s and is killed"
			kill -9 "$pid" 2>/dev/null || true # it may just have ended
		fi
		note "$1 stopped (pid $pid)"
	fi
	rm -f "$STATE/run/$1"
}

# detach LOG COMMAND… starts a command that survives the script and its
# terminal, and sets DETACHED to its pid. setsid does not fork here, since a
# background job of a script leads no process group, so that $! is the program.
detach() {
	local log=$1 session=nohup
	shift
	have setsid && session=setsid
	# A log from before is kept once, so that it cannot grow for ever.
	[[ ! -s $log ]] || mv -f "$log" "$log.1"
	(umask 077 && : >"$log")
	"$session" "$@" </dev/null >>"$log" 2>&1 9>&- &
	# shellcheck disable=SC2034 # read by the caller
	DETACHED=$!
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# port_holder PORT names who listens there, if the system lets us know.
port_holder() {
	local line=''
	if have ss; then
		line=$(ss -H -ltnp "sport = :$1" 2>/dev/null |
			sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (pid \2)/p' | head -n 1)
	elif have lsof; then
		line=$(lsof -nP -iTCP:"$1" -sTCP:LISTEN 2>/dev/null |
			awk 'NR == 2 { print $1 " (pid " $2 ")" }')
	fi
	printf '%s' "${line:-another process}"
}

# free_port prints a free one below 32768, where Linux does not take the ports
# of outgoing connections from.
free_port() {
	local port _
	for _ in {1..100}; do
		port=$((20000 + RANDOM % 12000))
		if port_free "$port"; then
			printf '%s' "$port"
			return
		fi
	done
	die 'found no free port on 127.0.0.1'
}

# remembered NAME prints the port chosen earlier, or chooses one now. It moves
# if somebody else has taken it meanwhile: nobody but us knows these ports.
remembered() {
	local file=$STATE/$1.port port=''
	[[ ! -r $file ]] || port=$(<"$file")
	if [[ -z $port ]] || ! port_free "$port"; then
		port=$(free_port)
		echo "$port" >"$file"
	fi
	printf '%s' "$port"
}

# http_status PORT PATH prints the status of a GET, nothing if nobody answers.
# Done by bash itself, so that a fresh machine needs no curl.
http_status() {
	local code=''
	code=$(
		exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || exit 0
		printf 'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
		read -r -t 5 _ code _ <&3 || true
		printf '%s' "$code"
	) || true
	printf '%s' "$code"
}
