#!/bin/sh
# Runs on a machine, sent there through ssh, at the same time as on all others: says
# what arrives between them. Ports that nobody holds yet are held for these seconds,
# so that an answer can be told from a refusal. Lines: listen=PORT, and
# reach=PEER|WHAT|open, refused, unreachable, silent or toolong.
#
# Set before it: me, my number; peers, as NUMBER:ADDRESS:MTU:BARE:INGRESS with BARE=1
# where no Swarm is, whose ports we may talk to as we like; mtu, ours; seconds.
: "${me:?}" "${peers:?}" "${mtu:?}" "${seconds:?}"
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
root=
[ "$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null || root='sudo -n'

# plain is for machines without perl: bash alone, TCP alone, and nobody listens.
plain() {
	for peer in $peers; do
		IFS=: read -r number address theirs _ <<PEER
$peer
PEER
		for port in 2377 7946; do
			said=$(timeout 3 bash -c "exec 3<>/dev/tcp/$address/$port" 2>&1) && code=0 || code=$?
			case $code/$said in
			0/*) word=open ;;
			124/*) word=silent ;;
			*refused*) word=refused ;;
			*) word=unreachable ;;
			esac
			echo "reach=$number|$port/tcp|$word"
		done
		command -v ping >/dev/null 2>&1 || continue
		ping -c 1 -W 2 "$address" >/dev/null 2>&1 || continue
		least=$mtu
		[ "$theirs" -ge "$least" ] || least=$theirs
		word=toolong
		! ping -c 2 -W 2 -M "do" -s "$((least - 28))" "$address" >/dev/null 2>&1 || word=open
		echo "reach=$number|path|$word"
	done
}

across() {
	[ -e /run/docker/netns/ingress_sbox ] || return 0
	$root nsenter --net=/run/docker/netns/ingress_sbox perl - overlay "$me" "$mtu" "$seconds" "$peers" 2>/dev/null
}

program() {
	cat <<'PERL'
use strict; use warnings; use Socket; use Errno qw(EINPROGRESS ECONNREFUSED EMSGSIZE); use Fcntl;
my ($mode, $me, $mtu, $seconds, $peers) = @ARGV;
$| = 1;
my @peers = map { my @f = split /:/, $_, -1; { n => $f[0], ip => $f[1], mtu => $f[2], bare => $f[3], ingress => $f[4] } } split ' ', $peers;
my $until = time + $seconds;
sub to { sockaddr_in($_[1], inet_aton($_[0])) }
sub say_reach { my ($peer, $what, $word) = @_; print "reach=$peer->{n}|$what|$word\n" }
sub nonblocking { my $s = shift; fcntl($s, F_SETFL, fcntl($s, F_GETFL, 0) | O_NONBLOCK) }

# A datagram to a port where nobody is: the refusal says that it arrived. DF is set
# by `probe` (3), which also ignores what the kernel believes about the path.
sub arrives {
	my ($ip, $port, $size, $df) = @_;
	socket(my $s, PF_INET, SOCK_DGRAM, 0) or return 'silent';
	setsockopt($s, 0, 10, pack('i', 3)) if $df;
	connect($s, to($ip, $port)) or return 'unreachable';
	for (1 .. 3) {
		if (!defined send($s, 'm' x $size, 0)) { return 'open' if $! == ECONNREFUSED; return 'toolong' if $! == EMSGSIZE }
		my $in = ''; vec($in, fileno($s), 1) = 1;
		if (select($in, undef, undef, 1.2)) {
			defined recv($s, my $b, 1, 0) and return 'open';
			return $! == ECONNREFUSED ? 'open' : 'unreachable';
		}
	}
	'silent';
}

# Inside of the mesh's own network namespace: from sandbox to sandbox, through VXLAN.
if ($mode eq 'overlay') {
	for my $p (grep { $_->{ingress} } @peers) {
		my $word = arrives($p->{ingress}, 33499, 16, 0);
		if ($word eq 'open' && arrives($p->{ingress}, 33499, 1400, 0) ne 'open') { $word = 'toolong' }
		say_reach($p, 'overlay', $word);
	}
	exit;
}

my (%held, @held, @try);
for my $port ('2377/tcp', '7946/tcp', '7946/udp', '4789/udp') {
	my ($n, $proto) = split m{/}, $port;
	socket(my $s, PF_INET, $proto eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0) or next;
	setsockopt($s, SOL_SOCKET, SO_REUSEADDR, pack('i', 1)) if $proto eq 'tcp';
	bind($s, sockaddr_in($n, INADDR_ANY)) or next;
	if ($proto eq 'tcp') { listen($s, 16) or next }
	nonblocking($s);
	print "listen=$port\n";
	push @held, { s => $s, port => $port, tcp => $proto eq 'tcp' };
	$held{$port} = 1;
}
for my $p (@peers) {
	push @try, { p => $p, port => $_ } for '2377/tcp', '7946/tcp';
	# A live engine would only log what we send it.
	if ($p->{bare}) { push @try, { p => $p, port => $_ } for '7946/udp', '4789/udp' }
}
# Asked on everything by everybody, we may go: they have our answers.
my %asked;
sub asked_out { for my $p (@peers) { for (keys %held) { $asked{"$p->{ip} $_"} or return 0 } } 1 }
my $grace;
while (time < $until) {
	for my $t (grep { !$_->{done} } @try) {
		my ($n, $proto) = split m{/}, $t->{port};
		if (!$t->{s}) {
			next if $t->{next} && time < $t->{next};
			socket($t->{s}, PF_INET, $proto eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0) or next;
			nonblocking($t->{s});
			my $ok = connect($t->{s}, to($t->{p}{ip}, $n));
			if (!$ok && $! != EINPROGRESS) { $t->{last} = $! == ECONNREFUSED ? 'refused' : 'unreachable'; delete $t->{s}; $t->{next} = time + 1; next }
			send($t->{s}, 'minitwit?', 0) if $proto eq 'udp';
			$t->{since} = time;
		} elsif ($proto eq 'udp' && time > $t->{since}) { send($t->{s}, 'minitwit?', 0); $t->{since} = time }
	}
	my ($in, $out) = ('', '');
	vec($in, fileno($_->{s}), 1) = 1 for @held, grep { !$_->{done} && $_->{s} && $_->{port} =~ /udp/ } @try;
	vec($out, fileno($_->{s}), 1) = 1 for grep { !$_->{done} && $_->{s} && $_->{port} =~ /tcp/ } @try;
	select($in, $out, undef, 0.2);
	for my $h (grep { vec($in, fileno($_->{s}), 1) } @held) {
		if ($h->{tcp}) {
			my $from = accept(my $c, $h->{s}) or next;
			$asked{inet_ntoa((sockaddr_in($from))[1]) . " $h->{port}"} = 1; close $c;
		} else {
			my $from = recv($h->{s}, my $b, 64, 0); next unless $from;
			next unless $b eq 'minitwit?';
			send($h->{s}, 'minitwit!', 0, $from);
			$asked{inet_ntoa((sockaddr_in($from))[1]) . " $h->{port}"} = 1;
		}
	}
	for my $t (grep { !$_->{done} && $_->{s} } @try) {
		my $tcp = $t->{port} =~ /tcp/;
		next unless vec($tcp ? $out : $in, fileno($t->{s}), 1);
		if ($tcp) {
			my $err = unpack('i', getsockopt($t->{s}, SOL_SOCKET, SO_ERROR)); $! = $err;
			if (!$err) { $t->{last} = 'open'; $t->{done} = 1 }
			else { $t->{last} = $! == ECONNREFUSED ? 'refused' : 'unreachable'; $t->{next} = time + 1 }
		} elsif (defined recv($t->{s}, my $b, 64, 0)) { if ($b eq 'minitwit!') { $t->{last} = 'open'; $t->{done} = 1 } next }
		else { $t->{last} = $! == ECONNREFUSED ? 'refused' : 'unreachable'; $t->{next} = time + 1 }
		close $t->{s}; delete $t->{s};
	}
	# Nobody but a listener of ours could turn these refusals into answers.
	my $waiting = grep { !$_->{done} && !(($_->{last} || '') eq 'refused' && !$_->{p}{bare}) } @try;
	if (!$waiting && asked_out()) { $grace ||= time + 1; last if time >= $grace }
}
say_reach($_->{p}, $_->{port}, $_->{last} || 'silent') for @try;
for my $p (@peers) {
	my $least = $mtu < $p->{mtu} ? $mtu : $p->{mtu};
	my $word = arrives($p->{ip}, 33499, 16, 1);
	if ($word eq 'open') { $word = arrives($p->{ip}, 33499, $least - 28, 1); $word = 'toolong' unless $word eq 'open' }
	say_reach($p, 'path', $word);
}
PERL
}

if ! command -v perl >/dev/null 2>&1; then
	plain </dev/null
else
	program | $root perl - underlay "$me" "$mtu" "$seconds" "$peers" 2>/dev/null
	program | across
fi
echo end=1
