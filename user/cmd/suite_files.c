/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/suite_files.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scenario/text.h"

#define SUFFIX ".yaml"
#define MOST_PLANS 999

struct opening {
	const struct command_spec *command;
	const struct scenario_options *options;
	const struct words *only;
	struct suite_files *files;
	bool *known; /* of the options' settings, those that a file has */
	int status;
};

static int is_scenario(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return *entry->d_name != '.' && len > strlen(SUFFIX) &&
	       !strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX);
}

/* In the order of bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void fail(struct opening *o, int status)
{
	if (o->status != STATUS_HOST_FAILED)
		o->status = status;
}

static void say(struct opening *o, const char *path, int err)
{
	fprintf(stderr, "%s: cannot be read: %s\n", path, strerror(-err));
	fail(o, err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE);
}

static void say_mistakes(struct opening *o, struct scenario_errors *errors, int err)
{
	if (errors->text)
		fputs(errors->text, stderr);
	else
		fprintf(stderr, "shearpin %s: out of memory\n", o->command->name);
	free(errors->text);
	*errors = (struct scenario_errors){0};
	fail(o, err == -ENOMEM ? STATUS_HOST_FAILED : STATUS_USAGE);
}

static bool matches(const struct words *only, const char *name)
{
	for (size_t i = 0; i < only->count; i++) {
		/* "thin[loss=5%]" is a pattern, too, but one that does not match itself. */
		if (!strcmp(only->items[i], name) || !fnmatch(only->items[i], name, 0))
			return true;
	}
	return !only->count;
}

/* "DIR/disconnect.yaml" is "disconnect". */
static bool file_matches(const struct words *only, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *stem = strdup(name);
	char *dot = stem ? strrchr(stem, '.') : NULL;
	bool fits;

	if (dot)
		*dot = '\0';
	fits = stem && matches(only, stem);
	free(stem);
	return fits;
}

static void keep(struct opening *o, const struct suite_file *file, struct plan *plan, bool varied)
{
	struct suite_files *f = o->files;
	struct suite_plan *more;

	if (!file_matches(o->only, file->path) && !matches(o->only, plan->name)) {
		plan_free(plan);
		return;
	}
	more = f->n_plans < MOST_PLANS ? reallocarray(f->plans, f->n_plans + 1, sizeof(*more)) : NULL;
	if (!more) {
		fprintf(stderr, "shearpin %s: %s: more than %d scenarios\n", o->command->name, file->path,
			MOST_PLANS);
		plan_free(plan);
		fail(o, STATUS_USAGE);
		return;
	}
	f->plans = more;
	f->plans[f->n_plans++] = (struct suite_plan){file, plan, varied};
}

static void compile(struct opening *o, const struct suite_file *file, const struct scenario_variant *v,
		    bool varied)
{
	struct scenario_options options = *o->options;
	struct scenario_errors errors = {0};
	struct plan *plan = NULL;
	int err;

	options.vars = v->vars;
	options.n_vars = v->n_vars;
	options.suffix = v->suffix;
	options.ret_known = calloc(v->n_vars + 1, sizeof(*options.ret_known));
	err = options.ret_known ? scenario_parse(file->path, file->text, file->len, &options, &plan, &errors)
				: -ENOMEM;
	for (size_t i = 0; options.ret_known && i < o->options->n_vars; i++)
		o->known[i] |= options.ret_known[i];
	free(options.ret_known);
	if (err)
		say_mistakes(o, &errors, err);
	else
		keep(o, file, plan, varied);
}

static void compile_file(struct opening *o, const struct suite_file *file)
{
	struct scenario_variant *variants = NULL;
	struct scenario_errors errors = {0};
	int before = o->status, err;
	size_t n = 0;

	err = scenario_variants(file->path, file->text, file->len, o->options, &variants, &n, &errors);
	if (err) {
		say_mistakes(o, &errors, err);
		return;
	}
	/* What is wrong with the file is wrong with each combination. */
	for (size_t i = 0; i < n && o->status == before; i++)
		compile(o, file, &variants[i], n > 1);
	scenario_variants_free(variants, n);
}

static void add_file(struct opening *o, char *path)
{
	struct suite_file *file = &o->files->files[o->files->n_files];
	int err;

	if (!path) {
		fail(o, STATUS_HOST_FAILED);
		return;
	}
	o->files->n_files++;
	file->path = path;
	err = text_read(path, SCENARIO_MAX_BYTES, &file->text, &file->len);
	if (err)
		say(o, path, err);
}

static void list_folder(struct opening *o, const char *path)
{
	size_t len = strlen(path);
	struct dirent **names;
	int n = scandir(path, &names, is_scenario, by_name);
	char *file;

	if (n < 0) {
		say(o, path, -errno);
		return;
	}
	o->files->files = calloc(n + 1, sizeof(*o->files->files));
	for (int i = 0; i < n; i++) {
		if (o->files->files &&
		    asprintf(&file, "%s%s%s", path, path[len - 1] == '/' ? "" : "/", names[i]->d_name) >= 0)
			add_file(o, file);
		else
			fail(o, STATUS_HOST_FAILED);
		free(names[i]);
	}
	free(names);
	if (!n) {
		fprintf(stderr,
			"shearpin %s: %s: no scenario in this folder, expected *%s; folders in it are not "
			"searched\n",
			o->command->name, path, SUFFIX);
		fail(o, STATUS_USAGE);
	}
}

static void list(struct opening *o, const char *path)
{
	struct stat st;

	o->files->folder = !stat(path, &st) && S_ISDIR(st.st_mode);
	if (o->files->folder) {
		list_folder(o, path);
		return;
	}
	o->files->files = calloc(1, sizeof(*o->files->files));
	if (o->files->files)
		add_file(o, strdup(path));
	else
		fail(o, STATUS_HOST_FAILED);
}

/* A setting that no file knows is a mistake, though each alone may lack it. */
static void check_settings(struct opening *o)
{
	for (size_t i = 0; o->options->lenient && i < o->options->n_vars; i++) {
		if (o->known[i])
			continue;
		fprintf(stderr, "--set: unknown variable `%s`: none of the scenarios has it in `vars`\n",
			o->options->vars[i].key);
		fail(o, STATUS_USAGE);
	}
}

static void check_any(struct opening *o, const char *path)
{
	if (o->status || o->files->n_plans)
		return;
	fprintf(stderr, "shearpin %s: %s: --only leaves none of its scenarios\n", o->command->name, path);
	o->status = STATUS_USAGE;
}

int suite_files_open(const struct command_spec *command, const char *path,
		     const struct scenario_options *given, const struct words *only, struct suite_files *ret)
{
	struct scenario_options options = *given;
	struct opening o = {
		.command = command,
		.options = &options,
		.only = only,
		.files = ret,
		.known = calloc(given->n_vars + 1, sizeof(bool)),
	};

	*ret = (struct suite_files){0};
	if (!o.known)
		return STATUS_HOST_FAILED;
	list(&o, path);
	options.lenient = ret->folder;
	for (size_t i = 0; i < ret->n_files; i++) {
		int before = o.status;

		if (!ret->files[i].text)
			continue;
		o.status = STATUS_OK;
		compile_file(&o, &ret->files[i]);
		if (before)
			fail(&o, before);
	}
	if (!o.status)
		check_settings(&o);
	check_any(&o, path);
	free(o.known);
	return o.status;
}

void suite_files_close(struct suite_files *files)
{
	for (size_t i = 0; i < files->n_plans; i++)
		plan_free(files->plans[i].plan);
	for (size_t i = 0; i < files->n_files; i++) {
		free(files->files[i].path);
		free(files->files[i].text);
	}
	free(files->plans);
	free(files->files);
	*files = (struct suite_files){0};
}
