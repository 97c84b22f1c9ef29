/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hands moments on in the order of their time, which that of the log nearly is: a moment that comes less than INORDER_MOST
 * others too late is put in its place. Of equal times the order is that of enum moment_kind, then that of the log.
 */
#ifndef SHEARPIN_INORDER_H
#define SHEARPIN_INORDER_H

#include "slo/moment.h"

#define INORDER_MOST 4096

struct inorder;

/* 0 or -ENOMEM. */
int inorder_new(void (*call)(void *arg, const struct moment *moment), void *arg, struct inorder **ret);
/* Accepts NULL. */
void inorder_free(struct inorder *inorder);
void inorder_put(struct inorder *inorder, const struct moment *moment);
/* There are no more: hand on all that wait. */
void inorder_end(struct inorder *inorder);

#endif
