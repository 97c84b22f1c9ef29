/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/delay_backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(struct delay_backend *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct delay_backend *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(b->why, sizeof(b->why), format, args);
	va_end(args);
}

/* The first step that only the line in user space can serve; NULL: none. */
static const struct plan_step *user_step(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (!plan->steps[i].shadow && plan_fault_needs_user_line(&plan->steps[i].fault))
			return &plan->steps[i];
	return NULL;
}

static bool is_needed(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan_step_needs_line(&plan->steps[i]))
			return true;
	return false;
}

static const char *user_only(const struct plan_fault *f)
{
	if (f->rate)
		return "`rate` needs bursts taken apart into packets, which only user space does";
	if (f->corrupt_below && !f->corrupt_valid)
		return "`corrupt` needs frames in this process's hands, to leave a wrong checksum";
	return "`duplicate` needs copies kept beside their originals, which fq does not";
}

static void say_user_only(struct delay_backend *b, const char *but, const struct plan_step *step)
{
	say(b, "%s%s (step %.64s)", but, user_only(&step->fault), step->name);
}

static void refuse(struct delay_backend *b, int err)
{
	b->refused = true;
	b->remedy = err == -ENODEV ? DELAY_BACKEND_TUN_REMEDY : NULL;
	say(b, err == -ENODEV ? "there is no /dev/net/tun" : "no TAP device can be made: %s", strerror(-err));
}

static void choose_fq(struct delay_backend *b, int probed)
{
	if (probed == LINE_CHOICE_FQ) {
		b->name = "fq";
		say(b, "it was asked for");
	} else {
		b->refused = true;
		b->remedy = "leave --delay-backend away, or: " DELAY_BACKEND_FQ_REMEDY;
		say(b, "fq was asked for, but this kernel lacks sch_fq, sch_netem or macvlan");
	}
}

static void choose_auto(struct delay_backend *b, int probed, const struct plan_step *step)
{
	b->name = probed == LINE_CHOICE_FQ && !step ? "fq" : "user";
	if (step)
		say_user_only(b, "", step);
	else if (probed == LINE_CHOICE_FQ)
		say(b, "this kernel has sch_fq, sch_netem and macvlan");
	else
		say(b, "this kernel lacks sch_fq, sch_netem or macvlan");
}

void delay_backend_choose(const struct plan *plan, enum line_choice choice, struct delay_backend *ret)
{
	const struct plan_step *step = user_step(plan);
	struct delay_backend b = {.needed = is_needed(plan)};
	int probed;

	*ret = b;
	if (!b.needed)
		return;
	if (choice == LINE_CHOICE_FQ && step) {
		b.refused = true;
		b.remedy = "leave --delay-backend away";
		say_user_only(&b, "fq was asked for, but ", step);
		*ret = b;
		return;
	}
	probed = line_probe();
	if (probed == -EPERM) {
		b.unknown = true;
		say(&b, "only root can tell here");
	} else if (probed < 0) {
		refuse(&b, probed);
	} else if (choice == LINE_CHOICE_FQ) {
		choose_fq(&b, probed);
	} else if (choice == LINE_CHOICE_USER) {
		b.name = "user";
		say(&b, "it was asked for");
	} else {
		choose_auto(&b, probed, step);
	}
	*ret = b;
}
