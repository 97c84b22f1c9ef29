/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/undo_replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/timeutil.h"
#include "drill/undo.h"

#define MAX_BYTES (64 * 1024 * 1024) /* a thousand windows make a megabyte or two */
#define MAX_CHANGES 65536

struct replay {
	const struct undo_kind *kinds;
	size_t n;
	bool forget; /* what can't be taken back */
	void (*call)(void *arg, const struct undone *undone);
	void *arg;
	char boot_id[UNDO_BOOT_ID_SIZE];
};

struct journal_file {
	int fd;
	bool is_live;   /* its run writes into it */
	bool forgotten; /* something in it was */
	char path[512];
	json_t *header;
	json_t **armed; /* by id, from 1; NULL: done, or never armed */
	size_t n;       /* one more than the highest id */
};

static void tell(const struct replay *r, const struct journal_file *f, const json_t *entry,
		 enum undo_result result, const char *reason)
{
	char *data = json_dumps(json_object_get(entry, "data"), JSON_COMPACT);
	const struct undone undone = {
		.path = f->path,
		.run = json_string_value(json_object_get(f->header, "run")),
		.pid = json_integer_value(json_object_get(f->header, "pid")),
		.kind = json_string_value(json_object_get(entry, "kind")),
		.data = data,
		.result = result,
		.reason = reason,
	};

	r->call(r->arg, &undone);
	free(data);
}

static int take_armed(struct journal_file *f, json_t *line, json_int_t id)
{
	json_t **armed;

	if (id < 1 || id > MAX_CHANGES)
		return -EBADMSG;
	if ((size_t)id >= f->n) {
		armed = reallocarray(f->armed, id + 1, sizeof(*armed));
		if (!armed)
			return -ENOMEM;
		memset(armed + f->n, 0, (id + 1 - f->n) * sizeof(*armed));
		f->armed = armed;
		f->n = id + 1;
	}
	json_decref(f->armed[id]);
	f->armed[id] = json_incref(line);
	return 0;
}

static int take_done(struct journal_file *f, json_int_t id)
{
	if (id < 1 || (size_t)id >= f->n)
		return -EBADMSG;
	json_decref(f->armed[id]);
	f->armed[id] = NULL;
	return 0;
}

static int take_line(struct journal_file *f, const char *text, size_t len)
{
	json_t *line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *arm = json_object_get(line, "arm"), *done = json_object_get(line, "done");
	int err = -EBADMSG;

	if (!f->header) {
		const json_t *version = json_object_get(line, "undo");

		if (json_integer_value(version) == UNDO_VERSION) {
			f->header = json_incref(line);
			err = 0;
		} else if (json_is_integer(version)) {
			err = -EPROTONOSUPPORT;
		}
	} else if (json_is_integer(arm)) {
		err = take_armed(f, line, json_integer_value(arm));
	} else if (json_is_integer(done)) {
		err = take_done(f, json_integer_value(done));
		f->forgotten |= json_is_true(json_object_get(line, "forgotten"));
	}
	json_decref(line);
	return err;
}

/*
 * A last line without its end, or the zeros that a file system may leave there, was not synced, so that what it announces
 * was not done: it goes, since lines are to follow.
 */
static int read_lines(struct journal_file *f, const char *text, off_t size)
{
	const char *from = text, *end;
	int err = 0;

	for (; !err && (end = strchr(from, '\n')); from = end + 1)
		err = take_line(f, from, end - from);
	if (!err && !f->is_live && from - text < size && ftruncate(f->fd, from - text))
		err = -errno;
	return err;
}

static int read_file(struct journal_file *f)
{
	struct stat st;
	char *text;
	ssize_t len;
	int err;

	if (fstat(f->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES)
		return -EBADMSG;
	text = calloc(1, st.st_size + 1);
	if (!text)
		return -ENOMEM;
	len = pread(f->fd, text, st.st_size, 0);
	err = len < 0 ? -errno : read_lines(f, text, len);
	free(text);
	return err;
}

/* The whole line, or nothing of it. */
static int mark_done(const struct journal_file *f, size_t id, bool forgotten)
{
	off_t end = lseek(f->fd, 0, SEEK_END);
	char line[64];
	int len = snprintf(line, sizeof(line), "{\"done\":%zu%s}\n", id,
			   forgotten ? ",\"forgotten\":true" : "");

	if (end < 0)
		return -errno;
	if (write(f->fd, line, len) == len)
		return fsync(f->fd) ? -errno : 0;
	(void)!ftruncate(f->fd, end);
	return -EIO;
}

static const struct undo_kind *find_kind(const struct replay *r, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "kind"));

	for (size_t i = 0; name && i < r->n; i++)
		if (!strcmp(r->kinds[i].name, name))
			return &r->kinds[i];
	return NULL;
}

static enum undo_result take_back(const struct replay *r, const struct journal_file *f, size_t id,
				  char *ret_reason, size_t size)
{
	const char *boot_id = json_string_value(json_object_get(f->header, "boot_id"));
	const struct undo_kind *kind = find_kind(r, f->armed[id]);

	if (kind)
		return kind->take_back(kind->arg, json_object_get(f->armed[id], "data"),
				       boot_id && !strcmp(boot_id, r->boot_id), ret_reason, size);
	snprintf(ret_reason, size, "this version knows no change of that kind");
	return UNDO_FAILED;
}

/* False: it is still to be taken back. */
static bool replay_entry(const struct replay *r, struct journal_file *f, size_t id)
{
	char reason[256] = "";
	enum undo_result result = take_back(r, f, id, reason, sizeof(reason));

	if (result == UNDO_FAILED && r->forget && !mark_done(f, id, true)) {
		f->forgotten = true;
		result = UNDO_FORGOTTEN;
	}
	tell(r, f, f->armed[id], result, reason);
	/* Unmarked, it is found not to be needed the next time. */
	return result == UNDO_FORGOTTEN || (result != UNDO_FAILED && !mark_done(f, id, false));
}

/* "run-abc.jsonl" -> "run-abc.forgotten"; its folder stays where it is. */
static int set_aside(const struct journal_file *f)
{
	char path[sizeof(f->path) + sizeof(UNDO_SET_ASIDE)];

	snprintf(path, sizeof(path), "%.*s" UNDO_SET_ASIDE, (int)(strlen(f->path) - strlen(UNDO_SUFFIX)),
		 f->path);
	return renameat2(AT_FDCWD, f->path, AT_FDCWD, path, RENAME_NOREPLACE) ? -errno : 0;
}

/* What only this host failed to read may still be taken back. */
static void replay_unreadable(const struct replay *r, const struct journal_file *f, int err)
{
	bool hopeless = err == -EBADMSG || err == -EPROTONOSUPPORT;

	tell(r, f, NULL, r->forget && hopeless && !set_aside(f) ? UNDO_FORGOTTEN : UNDO_FAILED,
	     err == -EPROTONOSUPPORT ? "another version of shearpin has written it"
	     : err == -EBADMSG && f->header
		     ? "it is damaged; what a line of it says is not known, so nothing was taken back"
	     : err == -EBADMSG ? "it is no undo journal"
			       : strerror(-err));
}

static void replay_locked(const struct replay *r, struct journal_file *f)
{
	int err = read_file(f);
	bool clean = true;

	if (err) {
		replay_unreadable(r, f, err);
		return;
	}
	for (size_t id = f->n; id-- > 1;)
		if (f->armed[id])
			clean &= replay_entry(r, f, id);
	if (clean && f->forgotten) {
		(void)set_aside(f);
	} else if (clean) {
		undo_remove_folder(f->path);
		unlink(f->path);
	}
}

static void free_file(struct journal_file *f)
{
	for (size_t i = 0; f->armed && i < f->n; i++)
		json_decref(f->armed[i]);
	free(f->armed);
	json_decref(f->header);
	if (f->fd >= 0)
		close(f->fd);
}

/* Otherwise somebody else has just dealt with it: it is removed, or set aside. */
static bool has_name(const struct journal_file *f, int dirfd, const char *name)
{
	struct stat own, named;

	return !fstat(f->fd, &own) && !fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) &&
	       own.st_ino == named.st_ino && own.st_dev == named.st_dev;
}

static void replay_file(const struct replay *r, int dirfd, const char *directory, const char *name)
{
	struct journal_file f = {0};

	snprintf(f.path, sizeof(f.path), "%.240s/%.255s", directory, name);
	f.fd = openat(dirfd, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f.fd < 0) {
		if (errno != ENOENT)
			tell(r, &f, NULL, UNDO_FAILED, strerror(errno));
		return;
	}
	if (!flock(f.fd, LOCK_EX | LOCK_NB) && has_name(&f, dirfd, name))
		replay_locked(r, &f);
	free_file(&f);
}

int undo_replay_one(const char *path, unsigned id, const struct undo_kind *kinds, size_t n,
		    enum undo_result *ret)
{
	const struct replay r = {.kinds = kinds, .n = n};
	struct journal_file f = {.is_live = true};
	const struct undo_kind *kind;
	char reason[256] = "";
	int err;

	f.fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	err = f.fd < 0 ? -errno : read_file(&f);
	if (!err && (!id || id >= f.n || !f.armed[id]))
		err = -ENOENT;
	kind = err ? NULL : find_kind(&r, f.armed[id]);
	if (kind)
		*ret = kind->take_back(kind->arg, json_object_get(f.armed[id], "data"), true, reason,
				       sizeof(reason));
	else if (!err)
		err = -ENOTSUP;
	free_file(&f);
	return err;
}

static bool is_journal(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && len > strlen(UNDO_SUFFIX) &&
	       !strcmp(name + len - strlen(UNDO_SUFFIX), UNDO_SUFFIX);
}

/* Somebody has a lock on it, and it is not the run that wrote it. */
static bool is_taken(int dirfd, const char *name)
{
	struct journal_file f = {.is_live = true};
	bool taken = false;

	f.fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (f.fd >= 0 && flock(f.fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK) {
		(void)read_file(&f);
		taken = f.header && kill(json_integer_value(json_object_get(f.header, "pid")), 0) &&
			errno == ESRCH;
	}
	free_file(&f);
	return taken;
}

static bool is_busy(int dirfd)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	bool busy = false;

	while (dir && !busy && (entry = readdir(dir)))
		busy = is_journal(entry->d_name) && is_taken(dirfd, entry->d_name);
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	return busy;
}

int undo_await(const char *directory, uint64_t until_ns)
{
	static const struct timespec moment = {.tv_nsec = 20 * NS_PER_MS};
	int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (dirfd < 0)
		return errno == ENOENT ? 0 : -errno;
	while (!err && is_busy(dirfd)) {
		if (clock_mono_ns() >= until_ns)
			err = -EBUSY;
		else
			nanosleep(&moment, NULL);
	}
	close(dirfd);
	return err;
}

int undo_replay(const char *directory, const struct undo_kind *kinds, size_t n, bool forget,
		void (*call)(void *arg, const struct undone *undone), void *arg)
{
	struct replay r = {.kinds = kinds, .n = n, .forget = forget, .call = call, .arg = arg};
	const struct dirent *entry;
	DIR *dir = opendir(directory);
	int err;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	err = undo_boot_id(r.boot_id);
	while (!err && (entry = readdir(dir)))
		if (is_journal(entry->d_name))
			replay_file(&r, dirfd(dir), directory, entry->d_name);
	closedir(dir);
	return err;
}
