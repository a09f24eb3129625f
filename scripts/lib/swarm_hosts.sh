# shellcheck shell=bash
# How the verb swarm speaks to machines: through ssh, with scripts on standard
# input, so that neither side's list of processes shows what is in them.

# Where the Swarm's managers are, a line each, in the order in which they are asked.
SWARM_FILE=$STATE/swarm
REACH_SECONDS=8
WORK=''

# ssh_setup makes SSH, the command; MINITWIT_SSH and --ssh are words for it.
ssh_setup() {
	have ssh || die 'ssh is missing: install an OpenSSH client'
	SSH=(ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3)
	if [[ $LAB ]]; then
		((EUID == 0)) || die 'the lab needs root: sudo ./scripts/run.sh swarm …'
		if ! net_exists || [[ ! -f $ROOT/.local/lab/ssh ]]; then die "the lab is not up: './scripts/run.sh lab up'"; fi
		SSH=(ip netns exec "$NS" "${SSH[@]}" -i "$ROOT/.local/lab/ssh" -l root -o LogLevel=ERROR
			-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
	fi
	[[ -z $SSH_USER ]] || SSH+=(-l "$SSH_USER")
	# shellcheck disable=SC2206 # words, as for a shell
	SSH+=(${MINITWIT_SSH:-} $SSH_OPTIONS)
	make_state
	WORK=$(mktemp -d)
	trap 'rm -rf "$WORK"' EXIT
}

# target HOST prints what ssh calls it: the lab's nodes have names only here.
target() {
	if [[ $LAB && " $NODES " == *" ${1#n} "* ]]; then address "${1#n}"; else printf '%s' "$1"; fi
}

# remote HOST runs the script on standard input there.
remote() { "${SSH[@]}" "$(target "$1")" sh -s; }

# act HOST runs the script on standard input there, with $root before what needs it.
act() {
	{
		# shellcheck disable=SC2016 # for the other side
		printf '%s\n' 'PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin root=' \
			'[ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || root="sudo -n"'
		cat
	} | remote "$1" 2>"$WORK/error"
}

# complaint prints the last line of what act complained about; never a token.
complaint() { sed 's/SWMTKN-[^ ]*/(a token)/g; s/^Error response from daemon: //' "$WORK/error" | grep . | tail -n 1 || echo 'it did not say why'; }

moment() {
	if [[ -n ${EPOCHREALTIME:-} ]]; then
		printf '%s' "${EPOCHREALTIME/,/.}" # some languages write a comma
	elif have perl; then
		perl -MTime::HiRes=time -e 'printf "%.3f", time'
	else
		date +%s
	fi
}

# probe HOST FILE WANT TOWARD writes down what swarm_probe.sh says. The first word
# from there is awaited before the time is asked for: how long it takes to connect
# must not look like a clock that is wrong.
probe() {
	local host=$1 file=$2
	mkfifo "$file.go"
	exec 7<>"$file.go"
	probe_questions "$file" "$3" "$4" 2>/dev/null | remote "$host" 2>"$file.error" | probe_answers >"$file.answers" || true
	{
		printf 'host=%s\ntarget=%s\n' "$host" "$(target "$host")"
		cat "$file.sent" "$file.answers" 2>/dev/null || true
		printf 'ssherror=%s\n' "$(grep . "$file.error" | tail -n 1 | tr -d '\r' || true)"
	} >"$file"
}

# shellcheck disable=SC2016 # for the other side
probe_questions() {
	echo 'echo hello=1'
	read -r -t 60 _ <&7 || true
	printf 'sent=%s\n' "$(moment)" >"$1.sent"
	echo 'echo "now=$(date +%s.%N | sed "s/[^0-9.].*//; s/[.]$//")"'
	printf "want='%s' toward='%s'\n" "$2" "$3"
	cat "$ROOT/scripts/lib/swarm_probe.sh"
}

probe_answers() {
	local line
	while IFS= read -r line; do
		case $line in
		hello=*) echo >&7 ;;
		now=*) printf 'got=%s\n' "$(moment)" ;;
		esac
		printf '%s\n' "$line"
	done
	echo >&7 # also if nobody was there
}

fact() { sed -n "s/^$2=//p" "$WORK/$1" | head -n 1; }

# examine HOSTS… leaves in $WORK/1, 2 … what was found; all are asked at once. WANT
# is the address of the host WANT_OF, TOWARD one that all have to reach.
examine() {
	local host i=0 want
	for host in "$@"; do
		i=$((i + 1)) want=''
		[[ $host != "${WANT_OF:-}" ]] || want=$ADDRESS
		probe "$host" "$WORK/$i" "$want" "${TOWARD:-}" &
	done
	wait
	(($# == 1)) || examine_between "$@"
}

# examine_between lets all of them talk to each other.
examine_between() {
	local i k peers count=$#
	for ((i = 1; i <= count; i++)); do
		[[ -n $(fact $i hello) && -n $(fact $i chosen) ]] || continue
		peers=''
		for ((k = 1; k <= count; k++)); do
			((k == i)) || [[ -z $(fact $k hello) || -z $(fact $k chosen) ]] ||
				peers+="$k:$(fact $k chosen):$(number "$(fact $k mtu)" 1500):$(bare $k):$([[ $(bare $i) == 1 ]] || fact $k ingress) "
		done
		[[ -n $peers ]] || continue
		{
			printf "me=%s peers='%s' mtu=%s seconds=%s\n" $i "$peers" "$(number "$(fact $i mtu)" 1500)" $REACH_SECONDS
			cat "$ROOT/scripts/lib/swarm_reach.sh"
		} >"$WORK/$i.questions"
	done
	for ((i = 1; i <= count; i++)); do
		[[ -f $WORK/$i.questions ]] || continue
		reach "${!i}" "$WORK/$i" &
	done
	wait
}

# reach HOST FILE adds to the file what arrives there.
reach() {
	remote "$1" <"$2.questions" >"$2.reach" 2>/dev/null || true
	{ grep -E '^(reach|listen)=' "$2.reach" || true; } >>"$2"
	! grep -q '^end=1' "$2.reach" || echo 'reached=1' >>"$2"
}

number() { if [[ $1 =~ ^[0-9]+$ ]]; then printf '%s' "$1"; else printf '%s' "$2"; fi; }
bare() { if [[ $(fact "$1" swarm) == inactive ]]; then echo 1; else echo 0; fi; }

# judge FILES… prints the verdicts, by tabs.
judge() { awk -f "$ROOT/scripts/lib/swarm_judge.awk" "$@"; }

# verdicts COUNT judges what examine has found.
verdicts() {
	local i files=()
	for ((i = 1; i <= $1; i++)); do files+=("$WORK/$i"); done
	judge "${files[@]}" >"$WORK/verdicts"
}

failed() { awk -F '\t' '$3 == "fail"' "$WORK/verdicts" | grep -q .; }

# tell text|json|bad prints the verdicts: as a table, as JSON, or only what is not ok.
tell() {
	awk -F '\t' -v how="$1" '
		function quoted(text) { gsub(/\\/, "&&", text); gsub(/"/, "\\\"", text); gsub(/[\001-\037]/, " ", text); return "\"" text "\"" }
		NR == FNR { if (length($1) > wide) wide = length($1); next } # the first reading
		how == "json" {
			printf "{\"host\":%s,\"check\":%s,\"ok\":%s,\"state\":%s,\"found\":%s,\"remedy\":%s}\n", quoted($1), quoted($2),
				($3 == "fail" ? "false" : "true"), quoted($3), quoted($4), quoted($5)
			next
		}
		how == "bad" && $3 == "ok" { next }
		{
			printf "%-" wide "s  %-4s  %-16s  %s%s\n", $1, ($3 == "ok" ? "ok" : toupper($3)), $2, $4,
				($5 == "" ? "" : " -> " $5)
		}' "$WORK/verdicts" "$WORK/verdicts"
}

# remember HOST puts a manager at the end of those that are asked. The lab's are
# known anyway.
remember() {
	if [[ $LAB ]] || grep -qsxF "$1" "$SWARM_FILE"; then return; fi
	{
		cat "$SWARM_FILE" 2>/dev/null || true
		printf '%s\n' "$1"
	} | write_private "$SWARM_FILE"
}
