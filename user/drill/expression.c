/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/expression.h"

#include <errno.h>

int expression_open(struct expression *e, const char *text)
{
	int err;

	e->set = false;
	if (!text)
		return 0;
	err = regcomp(&e->compiled, text, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
	if (err)
		return err == REG_ESPACE ? -ENOMEM : -EINVAL;
	e->set = true;
	return 0;
}

void expression_close(struct expression *e)
{
	if (e->set)
		regfree(&e->compiled);
	e->set = false;
}

bool expression_matches(const struct expression *e, const char *text, size_t len)
{
	regmatch_t range = {.rm_eo = len};

	return !e->set || !regexec(&e->compiled, text, 1, &range, REG_STARTEND);
}
