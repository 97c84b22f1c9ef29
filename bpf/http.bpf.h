/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_HTTP: a response of HTTP/1.x in the clear gets another status (RFC 9112, 4), in its place: three digits, and over its
 * Date perhaps Retry-After. The reason phrase, all lengths and the connection stay.
 *
 * A response is what starts like one at the start of a segment, and comes after a request: one that was seen, or one that the
 * acknowledgement number tells of. Interim responses (1xx) are none.
 */
#ifndef SHEARPIN_HTTP_BPF_H
#define SHEARPIN_HTTP_BPF_H

#include "content.bpf.h"
#include "state.bpf.h"

#define HTTP_HEAD 512 /* bytes of the payload that are looked at; a power of two */
#define HTTP_PAST 64  /* that a look at one of them may reach beyond */
#define HTTP_METHOD 32
#define STATUS_LINE 13 /* "HTTP/1.1 200 " */
#define STATUS_AT 8    /* the space before the digits: the checksum wants an even offset */
#define DATE_LINE 35   /* "Date: Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) */
#define DATE_WORDS 36  /* from an even offset on */
#define RETRY_NAME 13  /* "Retry-After: " */

struct http_text {
	__u8 head[HTTP_HEAD + HTTP_PAST];
	__u8 from[HTTP_PAST];
	__u8 to[HTTP_PAST];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct http_text);
} http_texts SEC(".maps");

static __always_inline bool is_digit(__u8 c)
{
	return c >= '0' && c <= '9';
}

static __always_inline bool is_status_line(const __u8 *head)
{
	return head[0] == 'H' && head[1] == 'T' && head[2] == 'T' && head[3] == 'P' && head[4] == '/' &&
	       head[5] == '1' && head[6] == '.' && is_digit(head[7]) && head[8] == ' ' && is_digit(head[9]) &&
	       is_digit(head[10]) && is_digit(head[11]) &&
	       (head[12] == ' ' || head[12] == '\r' || head[12] == '\n');
}

/* 204 and 304 (RFC 9112, 6.3): with another status the client would wait for the body. */
static __always_inline bool is_bodiless(const __u8 *status)
{
	return (status[0] == '2' || status[0] == '3') && status[1] == '0' && status[2] == '4';
}

struct date_search {
	const __u8 *head;
	__u32 len;
	__u32 at; /* 0: not found */
};

/* Does the line behind the line feed at i say the date, in the length that all but obsolete dates have? */
static long find_date(__u64 i, struct date_search *s)
{
	const __u8 *at;

	opaque(i);
	if (i + 1 + DATE_LINE + 2 > s->len)
		return 1;
	at = s->head + (i & (HTTP_HEAD - 1));
	if (at[0] != '\n')
		return 0;
	if (at[1] == '\r' || at[1] == '\n') /* the head ends here */
		return 1;
	if ((at[1] | 0x20) != 'd' || (at[2] | 0x20) != 'a' || (at[3] | 0x20) != 't' ||
	    (at[4] | 0x20) != 'e' || at[5] != ':' || at[6] != ' ' || at[1 + DATE_LINE] != '\r' ||
	    at[2 + DATE_LINE] != '\n')
		return 0;
	s->at = i + 1;
	return 1;
}

enum request_stage {
	IN_METHOD,
	AT_TARGET,
	IN_AUTHORITY,
	IN_PATH,
	REQUEST_READ,
	NO_REQUEST,
};

/* A request line (RFC 9112, 3); its target in origin form, "/path", or as a proxy gets it, "http://host/path". */
struct request_reader {
	const __u8 *head;
	__u8 *path;
	__u32 len;
	__u32 size;  /* of the path so far */
	__u32 stage; /* enum request_stage */
	__u32 slashes;
};

static __always_inline bool is_method_char(__u8 c)
{
	return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* Done where the path is, or a longer one than a pattern can be. */
static __always_inline long put_path(struct request_reader *s, __u8 c)
{
	__u32 size = s->size;

	opaque(size);
	s->path[size & (SP_PATTERN_SIZE - 1)] = c;
	s->size = size + 1;
	s->stage = s->size >= SP_PATTERN_SIZE ? REQUEST_READ : IN_PATH;
	return s->stage == REQUEST_READ;
}

static __always_inline long end_request(struct request_reader *s, enum request_stage stage)
{
	s->stage = stage;
	return 1;
}

static __always_inline long read_authority(struct request_reader *s, __u8 c)
{
	if (c == '/' && ++s->slashes == 3)
		return put_path(s, c);
	if (c != ' ')
		return 0;
	if (s->slashes != 2)
		return end_request(s, NO_REQUEST);
	put_path(s, '/');
	return end_request(s, REQUEST_READ);
}

static long read_request(__u64 i, struct request_reader *s)
{
	__u8 c;

	opaque(i);
	if (i >= s->len)
		return 1;
	c = s->head[i & (HTTP_HEAD - 1)];
	switch (s->stage) {
	case IN_METHOD:
		if (c == ' ')
			s->stage = AT_TARGET;
		else if (!is_method_char(c) || i >= HTTP_METHOD)
			return end_request(s, NO_REQUEST);
		return 0;
	case AT_TARGET:
		if (c == '/')
			return put_path(s, c);
		if ((c | 0x20) != 'h')
			return end_request(s, NO_REQUEST);
		s->stage = IN_AUTHORITY;
		return 0;
	case IN_AUTHORITY:
		return read_authority(s, c);
	default:
		if (c == ' ' || c == '?')
			return end_request(s, REQUEST_READ);
		if (c < ' ' || c == 0x7f) /* the line ends before a version of 1.x: HTTP/0.9 */
			return end_request(s, NO_REQUEST);
		return put_path(s, c);
	}
}

/* The path of a request that goes on in the next segment is unknown. */
static __always_inline __u8 peek_request(struct content *content, const __u8 *head, __u32 len)
{
	struct request_reader s = {.head = head,
				   .path = content->pattern.bytes,
				   .len = len,
				   .size = unknown_zero,
				   .stage = unknown_zero,
				   .slashes = unknown_zero};

	bpf_loop(HTTP_HEAD, read_request, &s, 0);
	if (s.stage != IN_PATH && s.stage != REQUEST_READ)
		return 0;
	content->is_cut = s.stage == IN_PATH;
	content_look_up(content, s.size);
	return CONTENT_HTTP_REQUEST;
}

static __always_inline __u8 peek_response(struct content *content, const __u8 *head, __u32 len)
{
	struct date_search s = {.head = head, .len = len};

	if (head[STATUS_AT + 1] == '1')
		return 0;
	content->has_no_body = is_bodiless(head + STATUS_AT + 1);
	bpf_loop(HTTP_HEAD, find_date, &s, 0);
	content->date_at = s.at;
	return CONTENT_HTTP_RESPONSE;
}

/* Is it a request or a response, and what does it say? Not static: its stack is not the caller's. */
__noinline int peek_http(struct __sk_buff *skb, struct work *w)
{
	struct content *content = content_at_work();
	struct http_text *text = at_work(&http_texts);
	__u32 at, len;
	__u8 *head;

	if (!w || !content || !text || w->p.payload_len < STATUS_LINE)
		return 0;
	at = payload_at(&w->p);
	head = text->head;
	if (bpf_skb_load_bytes(skb, at, head, STATUS_LINE) || !is_method_char(head[0]) ||
	    !is_method_char(head[1]) || !is_method_char(head[2]))
		return 0;
	len = w->p.payload_len;
	if (len > HTTP_HEAD)
		len = HTTP_HEAD;
	opaque(len);
	if (bpf_skb_load_bytes(skb, at, head, ((len - 1) & (HTTP_HEAD - 1)) + 1))
		return 0;
	if (is_status_line(head))
		w->p.content |= peek_response(content, head, len);
	else
		w->p.content |= peek_request(content, head, len);
	return 0;
}

/* Is `seq` not beyond the newest? */
static __always_inline bool is_old(__u32 seq, __u32 newest)
{
	return (__s32)(seq - newest) <= 0;
}

static __always_inline void note_request(const struct work *w, const struct sp_rule *r,
					 struct sp_state *state, const struct content *content, bool wanted)
{
	__u32 dir = w->p.dir & 1;
	__u8 flags = state->flags[dir];

	if (flags & SP_STATE_SEEN && is_old(w->p.seq, state->request_seq))
		return;
	/* One that knows no more of what the other side has sent than the one before was sent ahead of its response. */
	if (flags & SP_STATE_WAITING && state->ack[dir] == w->p.ack)
		flags |= SP_STATE_UNCLEAR;
	if (content->is_cut && r->flags & SP_RULE_NAMED)
		flags |= SP_STATE_UNCLEAR;
	flags &= ~SP_STATE_WANTED;
	state->request_seq = w->p.seq;
	state->ack[dir] = w->p.ack;
	state->flags[dir] = flags | SP_STATE_SEEN | SP_STATE_WAITING | (wanted ? SP_STATE_WANTED : 0);
}

enum http_say {
	NOT_MEANT,
	MEANT,
	CANT_TELL,
};

/* Has the sender of the response got more from its client than when it sent the newest one? */
static __always_inline bool answers_more(const struct work *w, const struct sp_state *state, __u32 dir)
{
	return !(state->flags[dir] & SP_STATE_SEEN) || !is_old(w->p.ack, state->ack[dir]);
}

/* Is the response, which is a new one, among those that the rule is about? What answers nothing may be the middle of one. */
static __always_inline enum http_say about_response(const struct work *w, const struct sp_rule *r,
						    const struct sp_state *state, __u32 dir)
{
	__u8 flags = state->flags[(dir ^ 1) & 1];

	if (!(r->flags & SP_RULE_NAMED))
		return flags & (SP_STATE_WAITING | SP_STATE_UNCLEAR) || answers_more(w, state, dir)
			       ? MEANT
			       : CANT_TELL;
	if (!(flags & SP_STATE_WAITING) || flags & SP_STATE_UNCLEAR)
		return CANT_TELL;
	return flags & SP_STATE_WANTED ? MEANT : NOT_MEANT;
}

/* Is there room for what the rule says, a body, and nothing that vouches for the bytes as they are? */
static __always_inline bool is_alterable(const struct work *w, const struct sp_rule *r,
					 const struct content *content)
{
	return !w->p.is_bound && !content->has_no_body && (!r->retry_after || content->date_at);
}

static __always_inline bool response_drawn(const struct sp_rule *r, const struct passage *a, __u32 dir,
					   __u32 index)
{
	return r->meaning_below >= SP_ALWAYS ||
	       draw(window_seed(r->seed, a->key.slot - r->first_slot), DRAW_RESPONSE, key_hash(&a->key), dir,
		    index) < r->meaning_below;
}

static __always_inline enum sp_verdict judge_response(const struct work *w, const struct sp_rule *r,
						      struct sp_state *state, const struct content *content,
						      const struct passage *a)
{
	__u32 dir = w->p.dir & 1;
	__u8 flags = state->flags[dir];
	enum http_say about;

	if (flags & SP_STATE_SEEN && is_old(w->p.seq, state->response_seq)) {
		if (!(flags & SP_STATE_ALTERED) || w->p.seq != state->response_seq)
			return SP_PASS;
		return is_alterable(w, r, content) ? SP_ALTER : count_failed(w, a);
	}
	about = about_response(w, r, state, dir);
	if (about == CANT_TELL)
		return count_failed(w, a);
	state->flags[(dir ^ 1) & 1] &= ~SP_STATE_WAITING;
	state->response_seq = w->p.seq;
	state->ack[dir] = w->p.ack;
	state->flags[dir] = SP_STATE_SEEN;
	if (about == NOT_MEANT || !response_drawn(r, a, dir, state->responses++))
		return SP_PASS;
	if (!is_alterable(w, r, content))
		return count_failed(w, a);
	state->flags[dir] = SP_STATE_SEEN | SP_STATE_ALTERED;
	return SP_ALTER;
}

/* Another connection between the same ports; its responses are counted on. */
static __always_inline void forget_exchange(struct bent *bent)
{
	struct sp_state *state = state_find(bent);

	if (state)
		state->flags[0] = state->flags[1] = 0;
}

/* Not static: its stack is not the caller's. */
__noinline int http_verdict(struct work *w, __u32 rule)
{
	struct content *content = content_at_work();
	struct sp_rule *r = rule_at(rule);
	struct sp_state *state;
	struct bent *bent;

	if (!w || !content)
		return SP_PASS;
	bent = bent_of(w);
	if (!bent)
		return SP_PASS;
	if (w->p.proto == IPPROTO_TCP && w->p.tcp_flags & TCP_SYN)
		forget_exchange(bent);
	if (!(w->p.content & (CONTENT_HTTP_REQUEST | CONTENT_HTTP_RESPONSE)))
		return SP_PASS;
	state = state_of(bent);
	if (w->p.content & CONTENT_HTTP_REQUEST) {
		if (state)
			note_request(w, r, state, content, is_named(content, rule));
		return SP_PASS;
	}
	return state ? judge_response(w, r, state, content, &bent->passage) : count_failed(w, &bent->passage);
}

/* " 503" over " 200". 0 or a negative errno. */
static __always_inline int write_status(struct __sk_buff *skb, const struct packet *p, __u32 status)
{
	__u8 to[4] = {' ', '0' + status / 100 % 10, '0' + status / 10 % 10, '0' + status % 10};
	__u32 at = payload_at(p) + STATUS_AT, from;
	int err = bpf_skb_load_bytes(skb, at, &from, sizeof(from));

	if (err)
		return err;
	err = bpf_l4_csum_replace(skb, p->l4 + offsetof(struct tcphdr, check), from, *(__u32 *)to,
				  sizeof(from));
	return err ?: bpf_skb_store_bytes(skb, at, to, sizeof(to), 0);
}

/* "Retry-After: 30", and spaces up to the length of the date's line, from `odd` on. */
static __always_inline void say_retry_after(__u8 *to, __u32 odd, __u32 seconds)
{
	const char name[RETRY_NAME + 1] = "Retry-After: ";
	__u32 i, n = odd + RETRY_NAME, unit = 1000000000;

	for (i = 0; i < DATE_LINE; i++)
		to[(odd + i) & (HTTP_PAST - 1)] = i < RETRY_NAME ? name[i] : ' ';
	for (i = 0; i < 10; i++, unit /= 10) {
		__u32 digits = seconds / unit;

		if (!digits && unit > 1)
			continue;
		to[n++ & (HTTP_PAST - 1)] = '0' + digits % 10;
	}
}

/* 0 or a negative errno. */
static __always_inline int write_retry_after(struct __sk_buff *skb, const struct packet *p, __u32 date_at,
					     __u32 seconds)
{
	struct http_text *text = at_work(&http_texts);
	__u32 at = payload_at(p) + (date_at & ~1U);
	__s64 diff;
	int err;

	if (!text)
		return -1;
	err = bpf_skb_load_bytes(skb, at, text->from, DATE_WORDS);
	if (err)
		return err;
	__builtin_memcpy(text->to, text->from, DATE_WORDS);
	say_retry_after(text->to, date_at & 1, seconds);
	diff = bpf_csum_diff((__be32 *)text->from, DATE_WORDS, (__be32 *)text->to, DATE_WORDS, 0);
	err = bpf_l4_csum_replace(skb, p->l4 + offsetof(struct tcphdr, check), 0, diff, 0);
	return err ?: bpf_skb_store_bytes(skb, at, text->to, DATE_WORDS, 0);
}

/* 0 or a negative number; then nothing has been written: what is within reach of pull_data can be. */
__noinline int alter_http(struct __sk_buff *skb, struct work *w, __u32 rule)
{
	struct content *content = content_at_work();
	struct sp_rule *r = rule_at(rule);
	__u32 end;
	int err;

	if (!w || !content)
		return -1;
	end = payload_at(&w->p) + (r->retry_after ? content->date_at + DATE_WORDS : STATUS_LINE);
	if (bpf_skb_pull_data(skb, end))
		return -1;
	err = write_status(skb, &w->p, r->status);
	if (!err && r->retry_after)
		err = write_retry_after(skb, &w->p, content->date_at, r->retry_after - 1);
	return err;
}

#endif
