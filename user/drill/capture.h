/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.pcapng of a run: every packet that a rule did not pass, as it came, with a comment that says what became of it
 * ("rule 0, disconnect #1 on front: delayed by 250.013 ms"). Times are those of the event log. What is taken is in the file
 * 100 ms later, as long as capture_flush() is called at least every 20 ms.
 *
 * Functions return 0 or a negative errno. Once writing has failed the capture keeps the error; the file stays valid.
 */
#ifndef SHEARPIN_CAPTURE_H
#define SHEARPIN_CAPTURE_H

#include "drill/journal.h"
#include "kernel/engine.h"

struct capture;

/* Create the file in the run directory. What is passed stays the caller's, and must outlive the capture. */
int capture_open(int dirfd, const struct plan *plan, const struct engine_interface *interfaces, size_t n,
		 const struct journal *journal, struct capture **ret);

/* A record of the ring buffer; arg is the capture. Without allocation, and without a system call but for whole batches. */
void capture_take(void *arg, const void *data, size_t size);
/* Write what waits for long enough; returns the error of the capture, if it has one. */
int capture_flush(struct capture *capture, uint64_t now);

/*
 * End the file with the interfaces' statistics, and write the event `capture`. lost: packets that found no room in the
 * ring buffer.
 */
int capture_tell(struct capture *capture, uint64_t lost, struct journal *journal);
/* Accepts NULL. */
int capture_close(struct capture *capture);

#endif
