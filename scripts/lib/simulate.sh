# shellcheck shell=bash
# The verb `simulate`, and the demo community of `up --demo`.

. "$ROOT/scripts/lib/local.sh"

DEMO=$ROOT/scripts/demo.tsv

help_simulate() {
	cat <<'TEXT'
usage: ./scripts/run.sh simulate [arguments of minitwit simulate]

Plays a simulator scenario against the API of this clone, starting it first if
nothing runs. 'simulate -- -h' lists the arguments.
TEXT
}

cmd_simulate() {
	[[ ${1:-} != -- ]] || shift
	# shellcheck disable=SC2119 # the arguments are for the binary, not for up
	running api || (cmd_up >&2)
	exec "$BIN" simulate --url "$(api_url)" "$@"
}

api_url() { printf 'http://127.0.0.1:%s' "$(field api port)"; }

# play_demo fills an empty place. The last user of the file is the sign that it
# was played to the end: one that was interrupted is played again.
play_demo() {
	local last
	last=$(demo_users | tail -n 1 | cut -f 5)
	if [[ $(http_status "$WEB_PORT" "/$last") == 200 ]]; then
		note 'the demo community is already there'
		return
	fi
	step 'inviting the demo community'
	"$BIN" simulate --url "$(api_url)" --scenario "$DEMO" --suffix '' --verify=false >&2 ||
		die 'the demo scenario could not be played'
}

demo_users() { awk -F '\t' '$4 == "register"' "$DEMO"; }

demo_login() {
	demo_users | head -n 1 | awk -F '\t' '{ print "sign in as " $5 " with the password " $7 }'
}
