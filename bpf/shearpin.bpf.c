/* SPDX-License-Identifier: GPL-2.0-only */
/* The programs: parse -> classify -> decide (gate, chance) -> act -> account, at every hook. */
#include "alter.bpf.h"
#include "answer.bpf.h"
#include "capture.bpf.h"
#include "owners.bpf.h"
#include "refuse.bpf.h"
#include "sockets.bpf.h"

#define PULL_BYTES 256 /* enough for all headers that parse() follows */
#define FIN_GONE 1

/* Count what is no packet of ours and let it pass. */
static __always_inline void count_unparsed(enum parsed parsed)
{
	if (parsed == PARSED_FRAGMENT)
		count_stat(SP_STAT_FRAGMENT);
	else if (parsed != PARSED_NOT_IP)
		count_stat(SP_STAT_UNPARSABLE);
}

/* Not static: the verifier looks at it once, and what follows need not be checked for every path through it. */
__noinline int parse_skb(struct __sk_buff *skb, struct packet *p)
{
	enum parsed parsed = PARSED_BAD;
	int try;

	if (!p)
		return PARSED_BAD;
	for (try = 0; try < 2; try++) {
		parsed = parse((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, p);
		if (parsed != PARSED_SHORT ||
		    bpf_skb_pull_data(skb, skb->len < PULL_BYTES ? skb->len : PULL_BYTES))
			break;
	}
	return parsed;
}

/* Decide; true: w holds a verdict to carry out. */
static __always_inline bool judge(struct work *w, enum sp_hook hook)
{
	w->hook = hook;
	w->now = bpf_ktime_get_ns();
	bits_and(&w->match, &control.hook[hook]);
	if (!bits_any(&w->match) || !(control.armed & SP_ARMED_FAULTS)) {
		undecided(w);
		return false;
	}
	decide(w);
	if (control.rehearsal) {
		rehearsed.rule = w->rule;
		rehearsed.verdict = w->verdict;
		return false;
	}
	return w->slot != NO_SLOT;
}

/* Packets that the programs or the loader made themselves pass, uncounted by any rule. */
static __always_inline bool is_own(struct __sk_buff *skb, enum sp_hook hook)
{
	if (skb->tc_index == control.magic) {
		if (hook == SP_HOOK_TC_IN || skb->ifindex != LOOPBACK_IFINDEX)
			skb->tc_index = 0;
	} else if (skb->mark != control.mark) {
		return false;
	}
	count_stat(SP_STAT_OWN);
	return true;
}

/* Silence. On egress not TC_ACT_SHOT: the local TCP would learn of it at once. A redirect to nowhere ends as a success. */
static __always_inline int drop(const struct work *w)
{
	if (w->hook == SP_HOOK_TC_OUT && !(rules[w->rule & (SP_MAX_RULES - 1)].flags & SP_RULE_LOSS_LOCAL))
		return bpf_redirect(0, 0);
	return TC_ACT_SHOT;
}

static __always_inline int refuse(struct __sk_buff *skb, const struct work *w, const struct sp_rule *r)
{
	int action;

	if (w->p.proto == IPPROTO_TCP && (r->reset_ends || r->refuse == SP_REFUSE_TCP_RESET))
		return w->p.is_bound ? CANNOT : refuse_syn(skb, &w->p);
	action = refuse_icmp(skb, &w->p, r->refuse, 0);
	if (action != CANNOT && w->p.proto == IPPROTO_TCP && w->p.dir == SP_DIR_OUT)
		emit(w, SP_EVENT_UNREACHABLE);
	return action;
}

/* Another packet like this one, right here. */
static __always_inline void duplicate(struct __sk_buff *skb, const struct work *w)
{
	__u64 flags = w->p.dir == SP_DIR_IN && skb->ifindex != LOOPBACK_IFINDEX ? BPF_F_INGRESS : 0;

	skb->tc_index = control.magic;
	bpf_clone_redirect(skb, skb->ifindex, flags);
	skb->tc_index = 0;
}

/* The payload goes ahead, and what stays has the FIN. FIN_GONE: another rule has taken it off. */
static __always_inline int split_fin(struct __sk_buff *skb, const struct work *w)
{
	__be16 flags;

	if (bpf_skb_load_bytes(skb, w->p.l4 + 12, &flags, sizeof(flags)))
		return -1;
	if (!(flags & bpf_htons(TCP_FIN)))
		return FIN_GONE;
	if (write_fin(skb, &w->p, false))
		return -1;
	duplicate(skb, w);
	return write_fin(skb, &w->p, true);
}

/*
 * What rules with a meaning make of it, then copies of that, then the packet itself, which alone may be corrupted. Not static:
 * its stack is not the caller's.
 */
__noinline int bend_skb(struct __sk_buff *skb, struct work *w)
{
	struct bent *bent;
	struct bend bend;
	int action, i;
	bool held;

	if (!w)
		return CANNOT;
	bent = bent_of(w);
	if (!bent)
		return CANNOT;
	bend = bent->bend; /* a copy that leaves through another of our interfaces takes the place in the map */
	held = bend.release || bend.alter == SP_ALTER_WRONG;
	if (held && control.line == SP_LINE_FQ)
		move_tag(skb, &w->p);
	if (bpf_skb_load_bytes(skb, 0, bend.macs, sizeof(bend.macs)))
		return CANNOT;
	if (bent->n_meant && alter_meant(skb, w))
		return CANNOT;
	for (i = 0; i < MOST_PARTS && i < bend.copies; i++) {
		if (held)
			line_send(skb, w, &bend, SP_ALTER_NONE, true);
		else
			duplicate(skb, w);
	}
	if (bend.split) {
		action = split_fin(skb, w);
		if (action)
			return action == FIN_GONE ? SP_TC_NEXT : CANNOT;
	}
	if (bend.alter == SP_ALTER_VALID && alter_payload(skb, &w->p, bend.draw))
		return CANNOT;
	if (!held)
		return SP_TC_NEXT;
	action = line_send(skb, w, &bend, bend.alter, false);
	if (action == LINE_FULL)
		return drop(w);
	if (action == CANNOT)
		bpf_skb_store_bytes(skb, 0, bend.macs, sizeof(bend.macs), 0);
	return action;
}

static __always_inline int act(struct __sk_buff *skb, struct work *w)
{
	const struct sp_rule *r = &rules[w->rule & (SP_MAX_RULES - 1)];

	if (is_mild(w->verdict))
		return without_bends ? SP_TC_NEXT : bend_skb(skb, w);
	if (w->verdict == SP_DROP)
		return drop(w);
	if (without_answers || w->verdict < SP_REFUSE)
		return SP_TC_NEXT;
	if (!without_meanings && r->meaning)
		return answer_meant(skb, w);
	switch (w->verdict) {
	case SP_RESET:
		return w->p.is_bound ? CANNOT : reset_segment(skb, &w->p, r->reset_ends);
	case SP_REFUSE:
		return refuse(skb, w, r);
	default:
		return SP_TC_NEXT;
	}
}

/* What a GSO packet counts for. One that a guest has made comes with the size of its segments, but not their number. */
static __always_inline __u32 count_segments(const struct __sk_buff *skb, const struct packet *p)
{
	__u32 payload = p->ip_len - (p->l4 - p->l3);

	if (skb->gso_segs || !skb->gso_size)
		return skb->gso_segs ?: 1;
	if (p->proto == IPPROTO_TCP)
		payload = p->payload_len;
	else if (p->proto == IPPROTO_UDP)
		payload -= sizeof(struct udphdr);
	return (payload + skb->gso_size - 1) / skb->gso_size ?: 1;
}

/*
 * Does this leave in a call of its process on the socket, as a SYN does in connect()? One that waited for the address of a
 * neighbour, or that is sent again, leaves in whatever runs just then.
 */
static __always_inline bool is_in_call(const struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;

	if (!sk)
		return false;
	tcp = bpf_skc_to_tcp_sock(sk);
	return !tcp || ((struct sock *)tcp)->sk_lock.owned;
}

/*
 * A datagram of a socket that the loader opened, as it asks a name server or as a probe; the current process may be any. Not inline: its
 * variables would be on the stack all the time.
 */
static __noinline int is_loaders(const struct __sk_buff *skb)
{
	struct bpf_sock *known = skb->sk;
	struct sock *sk = NULL;
	const struct cred *opener = NULL;
	struct socket *socket = NULL;
	struct file *file = NULL;

	/* The same socket, but not bound to what struct bpf_sock shows. */
	bpf_probe_read_kernel(&sk, sizeof(sk), &known);
	if (sk)
		bpf_probe_read_kernel(&socket, sizeof(socket), &sk->sk_socket);
	if (socket)
		bpf_probe_read_kernel(&file, sizeof(file), &socket->file);
	if (file)
		bpf_probe_read_kernel(&opener, sizeof(opener), &file->f_cred);
	return opener && (__u64)opener == own_cred;
}

static __always_inline bool is_local(const struct __sk_buff *skb, const struct packet *p)
{
	return p->proto == IPPROTO_UDP ? !without_datagrams && is_loaders(skb) : is_syn(p) && is_in_call(skb);
}

/* Carry out the verdict, and count it. */
static __always_inline int carry_out(struct __sk_buff *skb, struct work *w)
{
	int action;

	if (control.evidence & SP_EVIDENCE_CAPTURE && w->verdict > SP_SUPPRESS)
		capture_skb(skb, w);
	action = act(skb, w);
	if (action != CANNOT) {
		account(w, false);
		return action;
	}
	if (is_mild(w->verdict)) {
		w->verdict = SP_PASS;
		account(w, true);
		return SP_TC_NEXT;
	}
	w->verdict = SP_DROP;
	account(w, true);
	return drop(w);
}

static __always_inline int handle_skb(struct __sk_buff *skb, enum sp_hook hook)
{
	__u32 armed = control.armed;
	int action = SP_TC_NEXT;
	struct work w;
	enum parsed parsed;
	bool observed;

	if (!armed)
		return SP_TC_NEXT;
	if (is_own(skb, hook))
		return SP_TC_NEXT;
	w.p.dir = hook == SP_HOOK_TC_OUT ? SP_DIR_OUT : SP_DIR_IN;
	parsed = parse_skb(skb, &w.p);
	if (parsed != PARSED) {
		count_unparsed(parsed);
		return SP_TC_NEXT;
	}
	w.ifindex = skb->ifindex;
	if (!classify(&w.p, w.ifindex, &control.hook[hook],
		      armed & SP_ARMED_OBSERVER ? &control.observe : NULL, &w.match))
		return SP_TC_NEXT;
	if (control.owners && !and_owner(skb, &w))
		return SP_TC_NEXT;
	observed = armed & SP_ARMED_OBSERVER && bits_meet(&w.match, &control.observe);
	w.p.content = 0;
	if (!without_meanings && bits_meet(&w.match, &control.content))
		peek_skb(skb, &w);
	w.is_local = observed && hook == SP_HOOK_TC_OUT && is_local(skb, &w.p);
	w.segments = count_segments(skb, &w.p);
	w.bytes = w.p.ip_len;
	if (judge(&w, hook))
		action = carry_out(skb, &w);
	if (observed)
		observe(&w);
	return action;
}

SEC("tc")
int tc_in(struct __sk_buff *skb)
{
	return handle_skb(skb, SP_HOOK_TC_IN);
}

SEC("tc")
int tc_out(struct __sk_buff *skb)
{
	return handle_skb(skb, SP_HOOK_TC_OUT);
}

/* Only rules that drop are enabled here: see plan_choose_hooks(). */
SEC("xdp")
int xdp_in(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 len = end - data;
	enum parsed parsed;
	struct work w;

	if (!control.armed)
		return XDP_PASS;
	opaque(len);
	w.p.dir = SP_DIR_IN;
	parsed = parse(data, end, len, &w.p);
	if (parsed != PARSED) {
		count_unparsed(parsed);
		return XDP_PASS;
	}
	w.ifindex = ctx->ingress_ifindex;
	if (!classify(&w.p, w.ifindex, &control.hook[SP_HOOK_XDP], NULL, &w.match))
		return XDP_PASS;
	w.p.content = 0;
	w.is_local = false;
	w.segments = 1;
	w.bytes = w.p.ip_len;
	if (!judge(&w, SP_HOOK_XDP))
		return XDP_PASS;
	account(&w, false);
	if (w.verdict != SP_DROP)
		return XDP_PASS;
	if (control.evidence & SP_EVIDENCE_CAPTURE)
		capture_xdp(ctx, &w);
	if (control.armed & SP_ARMED_OBSERVER) /* what passes is seen at tc */
		observe(&w);
	return XDP_DROP;
}

/* Where what has waited long enough comes by: on its way into a TAP from this process, or out of the one behind fq. */
SEC("tc")
int line_return(struct __sk_buff *skb)
{
	return line_take_back(skb);
}

/* On the way out to this process: only parcels. */
SEC("tc")
int line_guard(struct __sk_buff *skb)
{
	struct line_header header;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)) || !is_to_line(&header))
		return TC_ACT_SHOT;
	return SP_TC_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
