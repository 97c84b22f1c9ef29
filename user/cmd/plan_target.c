/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/plan_target.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/plan_watch.h"

#define SHOWN_PORTS 12 /* and addresses, and names, of a target */

static double percent(uint64_t below)
{
	return 100.0 * below / PLAN_ALWAYS;
}

/*
 * {"loss":"3%","refuse":"icmp-port"} as the words of `inject`: loss=3% refuse=icmp-port; what is within another:
 * loss=every:10, loss=gemodel:p=1%,r=10%, reorder=percent:25%,by:3ms. An answer is told in full elsewhere.
 */
void plan_print_fault(const struct plan_fault *fault)
{
	bool quoted = false;
	int depth = 0;

	if (fault->answer) {
		printf("answer=%u", fault->answer->status);
		if (fault->flow_below < PLAN_ALWAYS)
			printf(" percent=%.3g%%", percent(fault->flow_below));
		return;
	}
	for (const char *s = fault->text; *s; s++) {
		if (*s == '"')
			quoted = !quoted;
		else if (quoted)
			putchar(*s);
		else if (*s == ',')
			putchar(depth == 1 ? ' ' : ',');
		else if (*s == ':')
			putchar(depth == 2 ? ':' : '=');
		else if (*s != '{' && *s != '}')
			putchar(*s);
		depth += quoted ? 0 : (*s == '{') - (*s == '}');
	}
}

static void print_ports(const char *what, const struct port_range *ranges, size_t n)
{
	if (!n)
		return;
	printf(", %s", what);
	for (size_t i = 0; i < n && i < SHOWN_PORTS; i++) {
		printf("%s%u", i ? "," : " ", ranges[i].first);
		if (ranges[i].last != ranges[i].first)
			printf("-%u", ranges[i].last);
	}
	if (n > SHOWN_PORTS)
		printf(" and %zu more", n - SHOWN_PORTS);
}

static void print_remotes(const struct plan_target *t)
{
	char text[64];

	if (!t->n_remotes && t->n_hosts)
		return;
	printf(t->n_remotes ? ", remote" : ", any remote address");
	for (size_t i = 0; i < t->n_remotes && i < SHOWN_PORTS; i++) {
		format_prefix(&t->remotes[i], text, sizeof(text));
		if (t->remotes[i].len == (t->remotes[i].family == AF_INET ? 32 : 128))
			*strchr(text, '/') = '\0';
		printf("%s%s", i ? "," : " ", text);
	}
	if (t->n_remotes > SHOWN_PORTS)
		printf(" and %zu more", t->n_remotes - SHOWN_PORTS);
}

static void print_hosts(const struct plan_target *t)
{
	if (!t->n_hosts)
		return;
	printf(t->n_remotes ? " and what" : ", what");
	for (size_t i = 0; i < t->n_hosts && i < SHOWN_PORTS; i++)
		printf("%s%s", i ? "," : " ", t->hosts[i]);
	if (t->n_hosts > SHOWN_PORTS)
		printf(" and %zu more", t->n_hosts - SHOWN_PORTS);
	printf(" resolve%s to when the run starts, and later in it", t->n_hosts == 1 ? "s" : "");
}

static void print_owner(const struct plan_target *t)
{
	if (t->cgroup)
		plan_print_word(", only of cgroup ", t->cgroup);
	if (t->unit)
		plan_print_word(", only of unit ", t->unit);
	if (t->pid)
		printf(", only of process %u", t->pid);
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP    ? "tcp"
	       : proto == IPPROTO_UDP  ? "udp"
	       : proto == IPPROTO_ICMP ? "icmp"
				       : "any protocol";
}

static void print_any_of(const struct plan *plan, const struct plan_target *t)
{
	char within[32];

	format_duration(t->reach_timeout_ns, within, sizeof(within));
	printf("the first that accepts a connection within %s", within);
	for (size_t i = 0; i < t->n_any_of; i++)
		printf("%s%s", i ? ", " : ": ", plan->targets[t->any_of[i]].name);
	putchar('\n');
}

void plan_print_targets(const struct plan *plan, int width)
{
	static const char *const ways[] = {
		[PLAN_IN] = "what comes in", [PLAN_OUT] = "what goes out", [PLAN_BOTH] = "both directions"};

	if (!plan->n_targets)
		return;
	printf("\nTargets\n");
	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];

		printf("  %-*s  ", width, t->name);
		if (t->n_any_of) {
			print_any_of(plan, t);
			continue;
		}
		printf("%s", proto_name(t->proto));
		print_remotes(t);
		print_hosts(t);
		print_ports("remote port", t->remote_ports, t->n_remote_ports);
		print_ports("local port", t->local_ports, t->n_local_ports);
		print_owner(t);
		printf(", %s", ways[t->direction]);
		for (size_t k = 0; k < t->n_interfaces; k++)
			printf("%s%s", k ? "," : ", on ", t->interfaces[k]);
		if (t->share < PLAN_ALWAYS)
			printf(", %.3g%% of the flows", percent(t->share));
		putchar('\n');
	}
}

static void print_answer(const struct plan_answer *a)
{
	printf("status %u", a->status);
	for (size_t i = 0; i < a->n_headers; i++) {
		printf(", %s: ", a->headers[i].name);
		plan_print_word("", a->headers[i].value);
	}
	if (a->body)
		printf(", a body of %zu bytes", strlen(a->body));
	if (a->certificate) {
		plan_print_word("; in TLS, with ", a->certificate);
		plan_print_word(" and ", a->key);
		putchar('\n');
	} else {
		printf("; in plain HTTP\n");
	}
}

void plan_print_answers(const struct plan *plan, int width)
{
	bool any = false;

	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *s = &plan->steps[i];

		if (!s->fault.answer)
			continue;
		if (!any)
			printf("\nResponder (on this host; new connections are taken to it)\n");
		any = true;
		printf("  %-*.*s  ", width, width, s->name);
		print_answer(s->fault.answer);
	}
}
