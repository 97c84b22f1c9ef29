/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void release(struct finding *item)
{
	free(item->name);
	free(item->detail);
	free(item->remedy);
}

void findings_add(struct findings *f, enum finding_result result, const char *name, const char *remedy,
		  const char *format, ...)
{
	struct finding *items = realloc(f->items, (f->n + 1) * sizeof(*items)), *item;
	va_list args;

	f->n_failed += result == FINDING_FAIL;
	if (!items) {
		f->no_memory = true;
		return;
	}
	f->items = items;
	item = &items[f->n];
	*item = (struct finding){
		.result = result, .name = strdup(name), .remedy = remedy ? strdup(remedy) : NULL};
	va_start(args, format);
	if (vasprintf(&item->detail, format, args) < 0)
		item->detail = NULL;
	va_end(args);
	if (item->name && item->detail && (item->remedy || !remedy)) {
		f->n++;
		return;
	}
	release(item);
	f->no_memory = true;
}

void findings_free(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		release(&f->items[i]);
	free(f->items);
	*f = (struct findings){0};
}

const char *finding_word(enum finding_result result)
{
	static const char *const words[] = {
		[FINDING_PASS] = "pass", [FINDING_WARN] = "warn", [FINDING_FAIL] = "fail"};

	return words[result];
}
