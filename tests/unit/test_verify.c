/* SPDX-License-Identifier: BSD-2-Clause */
/* What `verify` says of logs made for the purpose: each is right but for one thing. */
#include "unit/made_log.h"

#include <errno.h>
#include <inttypes.h>

#include "slo/replay.h"
#include "slo/verify.h"

#define PLAN(evidence, fault)                                                                                \
	"{\"version\":1,\"seed\":7,\"evidence\":\"" evidence                                                 \
	"\",\"targets\":[{\"name\":\"t\",\"share\":0.5}],\"steps\":[{\"name\":\"thin\",\"targets\":[\"t\"]," \
	"\"fault\":" fault ",\"at_ns\":0,\"for_ns\":1000,\"times\":2,\"every_ns\":2000}]}"
#define LOSS PLAN("flows", "{\"loss\":\"20%\"}")
#define LOSS_PACKETS PLAN("packets", "{\"loss\":\"20%\"}")
#define PACKETS 500

/* One of the share, with what becomes of its packets in the first window. */
struct made_flow {
	char name[64];
	uint64_t hash;
	struct replay_lots lots;
};

/* What a log is made of; a test changes one of it. */
struct made {
	const char *plan;
	uint64_t seed, format;
	uint64_t hits, drawn, hit; /* of flow.end and the receipt */
	uint64_t matched, dropped, passed, suppressed, untracked;
	uint64_t packets; /* of flow.end */
	bool no_open, no_close, no_counters, no_start, no_end, spent;
	unsigned lost;
	const char *more; /* data of one more event, of the type: */
	const char *type, *flow;
};

static struct log *log_;
static uint64_t now;

static void put(const char *type, bool of_window, const char *flow, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void put(const char *type, bool of_window, const char *flow, const char *format, ...)
{
	struct log_event event = {.mono_ns = ++now, .type = type, .flow = flow};
	char data[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(data, sizeof(data), format, args);
	va_end(args);
	event.data = data;
	if (of_window) {
		event.step = "thin";
		event.target = "t";
		event.instance = 1;
	}
	assert_int_equal(log_append(log_, &event), 0);
}

static struct replay_rule *rules_of(const char *plan)
{
	json_t *json = json_loads(plan, 0, NULL);
	struct replay_rule *rules;
	size_t n;

	assert_non_null(json);
	assert_int_equal(replay_rules(json, &rules, &n), 0);
	json_decref(json);
	return rules;
}

/* The first flow that takes part, or doesn't. */
static struct made_flow a_flow(const char *plan, bool takes_part)
{
	struct replay_rule *rules = rules_of(plan);
	struct made_flow f = {0};
	int port = 1;

	do {
		sprintf(f.name, "10.1.0.1:%d>10.1.0.2:40001/udp", port++);
		assert_true(replay_flow(f.name, &f.hash));
	} while (replay_takes_part(&rules->rule, f.hash) != takes_part);
	replay_lots(&rules->rule, f.hash, 0, SP_DIR_OUT, PACKETS, &f.lots);
	free(rules);
	return f;
}

/* As it should be. */
static struct made right(const char *plan)
{
	struct made_flow f = a_flow(plan, true);

	return (struct made){.plan = plan,
			     .seed = 7,
			     .format = 1,
			     .hits = f.lots.hits,
			     .drawn = PACKETS,
			     .hit = f.lots.hits,
			     .matched = PACKETS,
			     .dropped = f.lots.hits,
			     .passed = PACKETS - f.lots.hits,
			     .packets = PACKETS};
}

static void put_close(const struct made *m)
{
	if (m->no_counters)
		put("fault.close", true, NULL, "{\"rule\":0}");
	else
		put("fault.close", true, NULL,
		    "{\"rule\":0,\"matched\":%" PRIu64 ",\"passed\":%" PRIu64 ",\"dropped\":%" PRIu64
		    ",\"reset\":0,\"refused\":0,\"delayed\":0,\"duplicated\":0,\"altered\":0,\"suppressed\":"
		    "%" PRIu64 ",\"untracked\":%" PRIu64
		    ",\"receipt\":{\"chance\":{\"loss\":{\"drawn\":%" PRIu64 ",\"hit\":%" PRIu64 "}}}}",
		    m->matched, m->passed, m->dropped, m->suppressed, m->untracked, m->drawn, m->hit);
}

static void make(const struct run_dir *dir, const struct made *m)
{
	struct made_flow f = a_flow(m->plan, true);

	now = 0;
	unlinkat(dir->fd, "events.jsonl", 0);
	put_file(dir->fd, "plan.json", m->plan, strlen(m->plan));
	assert_int_equal(log_open(dir->fd, OFFSET, &log_), 0);
	if (!m->no_start)
		put("run.start", false, NULL, "{\"seed\":%" PRIu64 ",\"format\":%" PRIu64 "}", m->seed,
		    m->format);
	if (!m->no_open)
		put("fault.open", true, NULL, "{\"rule\":0}");
	put("flow.hit", true, f.name, "{\"rule\":0,\"verdict\":\"dropped\"}");
	if (m->spent)
		put("budget", true, NULL, "{\"limit\":\"packets\"}");
	if (!m->no_close)
		put_close(m);
	put("flow.end", true, f.name,
	    "{\"rule\":0,\"packets_in\":0,\"packets_out\":%" PRIu64 ",\"hits\":%" PRIu64 "}", m->packets,
	    m->hits);
	if (m->lost)
		put("lost", false, NULL, "{\"count\":%u}", m->lost);
	if (m->more)
		put(m->type, true, m->flow, "%s", m->more);
	if (!m->no_end)
		put("run.end", false, NULL, "{\"lost\":%u}", m->lost);
	assert_int_equal(log_close(log_), 0);
}

static struct verification *verify(const struct run_dir *dir)
{
	struct verification *v = NULL;
	char reason[160] = "";

	assert_int_equal(verify_run(dir->fd, &v, reason, sizeof(reason)), 0);
	assert_string_equal(reason, "");
	return v;
}

static const struct verify_check *find(const struct verification *v, const char *name)
{
	for (size_t i = 0; i < v->n_checks; i++)
		if (!strcmp(v->checks[i].name, name))
			return &v->checks[i];
	return NULL;
}

/* Exactly this check fails, and says so; NULL: none. Returns the line that it names. */
static uint64_t expect(const struct run_dir *dir, const struct made *m, const char *name, const char *words)
{
	struct verification *v;
	uint64_t line = 0;

	make(dir, m);
	v = verify(dir);
	for (size_t i = 0; i < v->n_checks; i++) {
		const struct verify_check *c = &v->checks[i];
		bool is_it = name && !strcmp(c->name, name);

		if ((c->result == VERIFY_FAIL) != is_it)
			fail_msg("%s: %s", c->name, c->detail);
		if (is_it) {
			line = c->line;
			if (!strstr(c->detail, words))
				fail_msg("%s doesn't say %s: %s", name, words, c->detail);
		}
	}
	if (name)
		assert_non_null(find(v, name));
	assert_int_equal(v->failed, name != NULL);
	verification_free(v);
	return line;
}

static void expect_detail(const struct run_dir *dir, const struct made *m, const char *name,
			  const char *words)
{
	struct verification *v;

	make(dir, m);
	v = verify(dir);
	assert_non_null(find(v, name));
	if (!strstr(find(v, name)->detail, words))
		fail_msg("%s doesn't say %s: %s", name, words, find(v, name)->detail);
	verification_free(v);
}

static void what_is_right_passes(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	expect(dir, &m, NULL, NULL);
	expect_detail(dir, &m, "flows", "1 flows' numbers");
	expect_detail(dir, &m, "receipts", "1 windows'");
	expect_detail(dir, &m, "shares", "2 flows");
	expect_detail(dir, &m, "anchor", "results.json has no `head`");
}

static void the_end(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.no_end = true;
	expect(dir, &m, "end", "no run.end");
	m = right(LOSS);
	m.no_start = true;
	expect(dir, &m, "end", "no run.start");
}

static void losses(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.lost = 3;
	expect(dir, &m, "losses", "3 records");
}

static void windows(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.no_close = true;
	assert_int_equal(
		expect(dir, &m, "windows", "1 of the windows were opened and never closed, first thin #1, t"),
		2);
	m = right(LOSS);
	m.no_open = true;
	assert_int_equal(expect(dir, &m, "windows", "have events and were never opened, first thin #1, t"),
			 3);
}

static void balance(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.passed++;
	assert_int_equal(expect(dir, &m, "balance", "1 of the windows"), 4);
	m = right(LOSS);
	m.dropped = m.passed = m.suppressed = INT64_MAX;
	expect_detail(dir, &m, "balance", "missing");
}

static void seeds(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.seed = 8;
	expect(dir, &m, "seed", "run.start says 8, plan.json 7");
}

static void hits_of_flows(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.hits++;
	assert_int_equal(expect(dir, &m, "flows", "packets are told as hit"), 5);
	m.hits -= 2;
	assert_int_equal(expect(dir, &m, "flows", "packets are told as hit"), 5);
	/* Behind a budget fewer are, and never more. */
	m.spent = true;
	expect(dir, &m, NULL, NULL);
	expect_detail(dir, &m, "flows",
		      "0 flows' numbers of packets that were hit are as the seed draws them; 1 can't");
	m.hits += 2;
	expect(dir, &m, "flows", "packets are told as hit");
}

static void receipts(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.hit++;
	assert_int_equal(expect(dir, &m, "receipts", "hits of loss"), 4);
	/* A flow that is in no flow.end. */
	m.matched += 7;
	m.passed += 7;
	m.drawn += 7;
	expect(dir, &m, NULL, NULL);
	expect_detail(dir, &m, "receipts", "1 can't be told");
}

/* One lot for a packet of many segments: then nothing can be said of the flow. */
static void packets_of_many_segments(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.drawn -= 100;
	m.hits += 17;
	expect(dir, &m, NULL, NULL);
	expect_detail(dir, &m, "flows", "1 can't be told");
	expect_detail(dir, &m, "receipts", "1 can't be told");
	m = right(LOSS);
	m.untracked = 1;
	m.hits++;
	expect(dir, &m, NULL, NULL);
}

static void shares(void **state)
{
	const struct run_dir *dir = *state;
	struct made_flow stranger = a_flow(LOSS, false);
	struct made m = right(LOSS);

	m.type = "flow.hit";
	m.flow = stranger.name;
	m.more = "{\"rule\":0,\"verdict\":\"dropped\"}";
	assert_int_equal(expect(dir, &m, "shares", stranger.name), 6);
	m.type = "flow.end";
	m.more = "{\"rule\":0,\"packets_in\":0,\"packets_out\":1,\"hits\":0}";
	assert_int_equal(expect(dir, &m, "shares", stranger.name), 6);
}

static void connections(void **state)
{
	static const char plan[] = PLAN("flows", "{\"reset\":\"both\",\"percent\":\"1%\"}");
	const struct run_dir *dir = *state;
	struct made_flow f = a_flow(plan, true);
	struct made m = right(plan);

	m.type = "flow.hit";
	m.flow = f.name;
	m.more = "{\"rule\":0,\"verdict\":\"reset\",\"idle\":true}";
	assert_int_equal(expect(dir, &m, "connections", f.name), 6);
}

static char *a_packet(uint32_t index, const char *verdict)
{
	static char data[200];

	sprintf(data,
		"{\"rule\":0,\"verdict\":\"%s\",\"hook\":\"tc-egress\",\"direction\":\"out\",\"index\":%u,"
		"\"segments\":1,"
		"\"bytes\":60,\"delay_ns\":0}",
		verdict, index);
	return data;
}

/* The first packet of the flow that the seed loses, or doesn't. */
static uint32_t index_of(const struct made_flow *f, bool lost)
{
	struct replay_rule *rules = rules_of(LOSS);
	struct replay_packet packet = {.flow = f->hash, .dir = SP_DIR_OUT, .segments = 1, .verdict = SP_DROP};

	while ((replay_packet(&rules->rule, &packet) == REPLAY_SAME) != lost)
		packet.index++;
	free(rules);
	return packet.index;
}

/* A log of a single packet that was lost, as the counters have it. */
static struct made with_packet(const struct made_flow *f, uint32_t index, const char *verdict)
{
	struct made m = right(LOSS_PACKETS);

	m.type = "packet";
	m.flow = f->name;
	m.more = a_packet(index, verdict);
	m.dropped = 1;
	m.passed = PACKETS - 1;
	return m;
}

static void packets(void **state)
{
	const struct run_dir *dir = *state;
	struct made_flow f = a_flow(LOSS_PACKETS, true), stranger = a_flow(LOSS_PACKETS, false);
	struct made m = with_packet(&f, index_of(&f, true), "dropped");

	expect(dir, &m, NULL, NULL);
	expect_detail(dir, &m, "lots", "1 packets are as the seed draws them");
	expect_detail(dir, &m, "packets", "1 packets in the log");
	m = with_packet(&f, index_of(&f, false), "dropped");
	assert_int_equal(expect(dir, &m, "lots", "is told as dropped, and its lot says otherwise"), 6);
	m = with_packet(&stranger, index_of(&stranger, true), "dropped");
	assert_int_equal(expect(dir, &m, "lots", "none of the share"), 6);
	m = right(LOSS_PACKETS);
	assert_int_equal(expect(dir, &m, "packets", "other counters than the packets in the log"), 4);
	/* Where some were lost, the sum can't be right. */
	m.lost = 2;
	expect(dir, &m, "losses", "2 records");
	expect_detail(dir, &m, "packets", "their packets are counted, and not in the log");
}

static void events_that_say_nothing(void **state)
{
	static const struct {
		const char *type, *flow, *data;
	} bad[] = {
		{"flow.hit", "10.1.0.1:1>10.1.0.2:2/udp", "{\"rule\":1,\"verdict\":\"dropped\"}"},
		{"flow.hit", "10.1.0.1:1>10.1.0.2:2/udp", "{\"rule\":0,\"verdict\":\"eaten\"}"},
		{"flow.hit", "10.1.0.1:1>10.1.0.2:2/udp", "{\"rule\":0}"},
		{"flow.hit", "nowhere", "{\"rule\":0,\"verdict\":\"dropped\"}"},
		{"flow.hit", NULL, "{\"rule\":0,\"verdict\":\"dropped\"}"},
		{"flow.end", "10.1.0.1:1>10.1.0.2:2/udp",
		 "{\"rule\":0,\"packets_in\":4294967296,\"packets_out\":0,\"hits\":0}"},
		{"flow.end", "10.1.0.1:1>10.1.0.2:2/udp",
		 "{\"rule\":0,\"packets_in\":-1,\"packets_out\":0,\"hits\":0}"},
		{"packet", "10.1.0.1:1>10.1.0.2:2/udp", "{\"rule\":0,\"verdict\":\"dropped\"}"},
		{"fault.close", NULL, "{\"rule\":0}"},
		{"fault.open", NULL, "{\"rule\":-1}"},
		{"lost", NULL, "{}"},
		{"run.end", NULL, "{\"lost\":-1}"},
		{"lost", NULL, "{\"count\":1"},
	};
	const struct run_dir *dir = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct made m = right(LOSS);
		struct verification *v;

		m.type = bad[i].type;
		m.flow = bad[i].flow;
		m.more = bad[i].data;
		make(dir, &m);
		v = verify(dir);
		if (!find(v, "events") || find(v, "events")->line != 6)
			fail_msg("%s %s is taken", bad[i].type, bad[i].data);
		assert_true(v->failed);
		verification_free(v);
	}
}

static int refused(const struct run_dir *dir, const char *words)
{
	struct verification *v = NULL;
	char reason[160] = "";
	int err = verify_run(dir->fd, &v, reason, sizeof(reason));

	assert_null(v);
	if (!strstr(reason, words))
		fail_msg("no %s: %s", words, reason);
	return err;
}

static void later_versions(void **state)
{
	static const char plan2[] = "{\"version\":2}", plan0[] = "{\"version\":0}",
			  fault[] = PLAN("flows", "{\"loss\":7}");
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);

	m.format = 2;
	make(dir, &m);
	assert_int_equal(refused(dir, "format 2, this shearpin reads format 1"), -EPROTONOSUPPORT);
	put_file(dir->fd, "plan.json", plan2, sizeof(plan2) - 1);
	assert_int_equal(refused(dir, "version 2, this shearpin reads version 1"), -EPROTONOSUPPORT);
	put_file(dir->fd, "plan.json", plan0, sizeof(plan0) - 1);
	assert_int_equal(refused(dir, ""), -EBADMSG);
	put_file(dir->fd, "plan.json", fault, sizeof(fault) - 1);
	assert_int_equal(refused(dir, ""), -EBADMSG);
	put_file(dir->fd, "plan.json", "[", 1);
	assert_int_equal(refused(dir, ""), -EBADMSG);
	unlinkat(dir->fd, "plan.json", 0);
	assert_int_equal(refused(dir, ""), -ENOENT);
	make(dir, &m);
	unlinkat(dir->fd, "events.jsonl", 0);
	assert_int_equal(refused(dir, ""), -ENOENT);
}

static void an_empty_log(void **state)
{
	const struct run_dir *dir = *state;
	struct verification *v;

	put_file(dir->fd, "plan.json", LOSS, sizeof(LOSS) - 1);
	put_file(dir->fd, "events.jsonl", "", 0);
	v = verify(dir);
	assert_true(v->failed);
	assert_int_equal(find(v, "end")->result, VERIFY_FAIL);
	assert_int_equal(v->lines, 0);
	verification_free(v);
}

/* The head in results.json finds what is done to the last line, and what is added behind it. */
static void the_anchor(void **state)
{
	const struct run_dir *dir = *state;
	struct made m = right(LOSS);
	struct verification *v;
	char text[100], *log;
	size_t len;

	make(dir, &m);
	v = verify(dir);
	sprintf(text, "{\"head\":\"%s\"}", v->head);
	put_file(dir->fd, "results.json", text, strlen(text));
	verification_free(v);
	v = verify(dir);
	assert_int_equal(find(v, "anchor")->result, VERIFY_PASS);
	verification_free(v);
	log = get_file(dir->fd, "events.jsonl", &len);
	log[len - 78] ^= 1; /* the number in its data */
	put_file(dir->fd, "events.jsonl", log, len);
	v = verify(dir);
	assert_int_equal(find(v, "anchor")->result, VERIFY_FAIL);
	assert_int_equal(find(v, "anchor")->line, 6);
	assert_int_equal(find(v, "chain")->result, VERIFY_PASS);
	verification_free(v);
	free(log);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)
	const struct CMUnitTest tests[] = {
		IN_DIR(what_is_right_passes),
		IN_DIR(the_end),
		IN_DIR(losses),
		IN_DIR(windows),
		IN_DIR(balance),
		IN_DIR(seeds),
		IN_DIR(hits_of_flows),
		IN_DIR(receipts),
		IN_DIR(packets_of_many_segments),
		IN_DIR(shares),
		IN_DIR(connections),
		IN_DIR(packets),
		IN_DIR(events_that_say_nothing),
		IN_DIR(later_versions),
		IN_DIR(an_empty_log),
		IN_DIR(the_anchor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
