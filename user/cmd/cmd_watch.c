/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin watch: what is active on this host, drawn anew as it changes. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "base/units.h"
#include "cmd/cmd.h"
#include "cmd/colour.h"
#include "cmd/options.h"
#include "cmd/place.h"
#include "cmd/status_scene.h"

#define EVERY_LEAST (100 * NS_PER_MS)
#define EVERY_MOST (60 * NS_PER_S)
#define SCREEN_BYTES (64 * 1024)
#define DEFAULT_ROWS 24
#define NOTICES_MOST 500   /* bytes, after which the old ones give way */
#define NO_WRAP "\033[?7l" /* a line too long is cut */
#define WRAP "\033[?7h"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

struct watch_args {
	const char *every;
	struct place place;
};

static const struct option_spec options[] = {
	{"every", 0, OPTION_STRING, offsetof(struct watch_args, every), "DURATION", "500ms",
	 "how often to look, 100ms to 60s"},
	PLACE_OPTIONS(offsetof(struct watch_args, place), "only runs inside"),
};

static const struct command_spec command = {
	.name = "watch",
	.synopsis = "[OPTION...]",
	.about = "Shows what `shearpin status` shows, on a terminal, and draws it anew as it changes. The "
		 "key q\n"
		 "and Ctrl-C end it; the runs go on. Counters need root.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
};

struct watch {
	uint64_t netns, every_ns;
	bool colour;
	int signals_fd;
	bool has_keys; /* standard input is the terminal, too */
	struct termios before, own;
	size_t drawn;       /* lines on the screen, above the cursor */
	struct buf notices; /* of all the records that were removed */
};

/* What the cursor can go back over: all rows but the one that it stands in. */
static size_t terminal_rows(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 2)
		return DEFAULT_ROWS - 1;
	return size.ws_row - 1;
}

static void add_notices(struct watch *w, const struct scene *scene)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	scene_print_removed(out, scene);
	if (w->notices.len > NOTICES_MOST)
		buf_clear(&w->notices);
	if (!fclose(out))
		buf_add(&w->notices, text, len);
	free(text);
}

/* All that there is to say, as lines; NULL: no memory. */
static char *render(const struct watch *w, const struct scene *scene)
{
	char now[32], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	format_utc(clock_real_ns(), now, sizeof(now));
	fprintf(out, "%sshearpin watch  %s  q ends it, the runs go on%s\n\n",
		colour_code(w->colour, COLOUR_DIM), now, colour_code(w->colour, COLOUR_PLAIN));
	if (w->notices.len)
		fprintf(out, "%s\n", w->notices.data);
	scene_print(out, scene, w->colour);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Over what was drawn before. Where there are more lines than rows, the last row says how many are missing. */
static void draw(struct watch *w, const char *text)
{
	size_t rows = terminal_rows(), lines = count_lines(text);
	size_t shown = lines <= rows ? lines : rows - 1;

	fputs(NO_WRAP, stdout);
	if (w->drawn > rows)
		w->drawn = rows; /* it has become smaller */
	if (w->drawn)
		printf("\033[%zuA\r", w->drawn);
	for (size_t i = 0; i < shown; i++) {
		const char *end = strchr(text, '\n');

		printf("%.*s" CLEAR_LINE "\n", (int)(end - text), text);
		text = end + 1;
	}
	w->drawn = shown;
	if (shown < lines) {
		printf("(%zu more lines)" CLEAR_LINE "\n", lines - shown);
		w->drawn++;
	}
	fputs(CLEAR_BELOW WRAP, stdout);
	fflush(stdout);
}

static int look(struct watch *w)
{
	struct scene scene;
	int err = scene_take(w->netns, &scene);
	char *text = NULL;

	if (!err) {
		add_notices(w, &scene);
		text = render(w, &scene);
		err = text ? 0 : -ENOMEM;
	}
	if (!err)
		draw(w, text);
	free(text);
	scene_free(&scene);
	return err;
}

/* True: it is to end. */
static bool take_signal(struct watch *w)
{
	struct signalfd_siginfo info;

	if (read(w->signals_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGCONT && info.ssi_signo != SIGWINCH)
		return true;
	/* In the foreground again: the shell has set the terminal as it likes it, and written to it. */
	if (info.ssi_signo == SIGCONT) {
		w->drawn = 0;
		if (w->has_keys)
			tcsetattr(STDIN_FILENO, TCSADRAIN, &w->own);
	}
	return false;
}

static bool take_key(struct watch *w)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		w->has_keys = false; /* the terminal is gone */
	return n == 1 && (key == 'q' || key == 'Q');
}

static int follow(struct watch *w)
{
	for (;;) {
		uint64_t due = clock_mono_ns() + w->every_ns, now;
		int err = look(w);

		if (err)
			return err;
		while ((now = clock_mono_ns()) < due) {
			struct pollfd heard[] = {
				{.fd = w->signals_fd, .events = POLLIN},
				{.fd = w->has_keys ? STDIN_FILENO : -1, .events = POLLIN},
			};

			if (poll(heard, 2, (due - now + NS_PER_MS - 1) / NS_PER_MS) <= 0)
				continue;
			if (heard[0].revents && take_signal(w))
				return 0;
			if (heard[1].revents && take_key(w))
				return 0;
		}
	}
}

static int open_signals(void)
{
	static const int heard[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(heard) / sizeof(*heard); i++)
		sigaddset(&set, heard[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Keys come one by one, and aren't shown; Ctrl-C and Ctrl-Z stay what they are. */
static void open_keys(struct watch *w)
{
	w->has_keys = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &w->before);
	if (!w->has_keys)
		return;
	w->own = w->before;
	w->own.c_lflag &= ~(ICANON | ECHO);
	w->own.c_cc[VMIN] = 1;
	w->own.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &w->own))
		w->has_keys = false;
}

static int run(struct watch *w)
{
	bool keys;
	int err;

	setvbuf(stdout, NULL, _IOFBF, SCREEN_BYTES); /* a picture in one piece */
	w->signals_fd = open_signals();
	if (w->signals_fd < 0)
		return -errno;
	open_keys(w);
	keys = w->has_keys;
	err = follow(w);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &w->before);
	close(w->signals_fd);
	buf_free(&w->notices);
	return err;
}

int cmd_watch(int argc, char **argv)
{
	struct watch_args args = {0};
	struct watch w = {0};
	int status, err;

	if (!place_parse(&command, argc, argv, &args, &args.place, &w.netns, &status))
		return status;
	if (parse_duration(args.every, &w.every_ns) || w.every_ns < EVERY_LEAST || w.every_ns > EVERY_MOST)
		return usage_error(&command, "--every is `%s`, expected a duration from 100ms to 60s",
				   args.every);
	if (!isatty(STDOUT_FILENO))
		return usage_error(&command,
				   "standard output is no terminal; `shearpin status` tells it once");
	w.colour = colour_wanted(stdout);
	err = run(&w);
	if (err)
		fprintf(stderr, "shearpin watch: can't tell what is active: %s\n", strerror(-err));
	return err ? STATUS_HOST_FAILED : STATUS_OK;
}
