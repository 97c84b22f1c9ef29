/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/policies.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A link that leads nowhere is a policy that can't be read, not the absence of one. */
static bool host_has_policy(void)
{
	struct stat found;

	return !lstat(POLICY_PATH, &found) || errno != ENOENT;
}

static int add_policy(struct policies *p, const char *path, struct buf *mistakes)
{
	struct scenario_errors errors;
	int err = policy_load(path, &p->items[p->count], &errors);

	if (!err)
		p->count++;
	else if (errors.text)
		buf_puts(mistakes, errors.text);
	free(errors.text);
	return err;
}

int policies_open(struct policies *p, const char *const *paths, size_t n, char **ret_mistakes)
{
	struct buf mistakes = {0};
	int err = 0, err_next;

	*ret_mistakes = NULL;
	*p = (struct policies){.items = calloc(n + 1, sizeof(*p->items))};
	if (!p->items)
		return -ENOMEM;
	if (host_has_policy())
		err = add_policy(p, POLICY_PATH, &mistakes);
	for (size_t i = 0; i < n; i++) {
		err_next = add_policy(p, paths[i], &mistakes);
		err = err ? err : err_next;
	}
	if (err)
		*ret_mistakes = buf_take(&mistakes);
	buf_free(&mistakes);
	return err;
}

int policies_check(const struct policies *p, const struct plan *plan, char *ret_reason, size_t size)
{
	int err = 0;

	for (size_t i = 0; !err && i < p->count; i++)
		err = policy_check(p->items[i], plan, ret_reason, size);
	return err;
}

int policies_protect(const struct policies *p, struct lifeline *lifeline)
{
	int err = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct texts *peers = &p->items[i]->protect;

		for (size_t k = 0; !err && k < peers->count; k++)
			err = lifeline_protect(lifeline, peers->items[k].s, p->items[i]->path,
					       peers->items[k].node->line);
	}
	return err;
}

void policies_close(struct policies *p)
{
	for (size_t i = 0; i < p->count; i++)
		policy_free(p->items[i]);
	free(p->items);
	*p = (struct policies){0};
}
