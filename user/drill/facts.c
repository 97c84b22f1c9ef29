/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel/facts.h"

static void tell_text(struct json *data, const char *key, const char *text)
{
	json_string(data, key, text[0] ? text : NULL);
}

static void tell_host(struct json *data)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct utsname host;

	if (!uname(&host)) {
		json_string(data, "kernel_version", host.version);
		json_string(data, "machine", host.machine);
	}
	if (cpus > 0)
		json_u64(data, "cpus", cpus);
}

static void tell_clock(struct json *data)
{
	struct clock_facts f;

	if (facts_clock(&f)) {
		json_null(data, "clock");
		return;
	}
	json_object(data, "clock");
	json_bool(data, "synchronised", f.synchronised);
	json_i64(data, "offset_ns", f.offset_ns);
	json_u64(data, "max_error_ns", f.max_error_ns);
	json_u64(data, "error_ns", f.error_ns);
	json_i64(data, "tai_s", f.tai_s);
	tell_text(data, "source", f.source);
	json_end_object(data);
}

static void tell_device(struct json *data, const struct engine_interface *interface)
{
	struct device_facts f;

	json_object(data, NULL);
	json_string(data, "name", interface->name);
	if (!facts_device(interface->name, interface->ifindex, &f)) {
		tell_text(data, "driver", f.driver);
		tell_text(data, "firmware", f.firmware);
		tell_text(data, "bus", f.bus);
		if (f.speed_mbit)
			json_u64(data, "speed_mbit", f.speed_mbit);
		else
			json_null(data, "speed_mbit");
		json_u64(data, "mtu", f.mtu);
		tell_text(data, "qdisc", f.qdisc);
		if (f.offloads_known) {
			json_object(data, "offloads");
			for (int i = 0; i < OFFLOADS; i++)
				json_bool(data, facts_offload_name(i), f.offloads[i]);
			json_end_object(data);
		} else {
			json_null(data, "offloads");
		}
	}
	json_end_object(data);
}

static void tell_program(void *arg, const char *name, const char *tag)
{
	json_string(arg, name, tag);
}

void facts_tell(struct json *data, struct engine *engine, const struct engine_interface *interfaces, size_t n)
{
	tell_host(data);
	tell_clock(data);
	json_array(data, "devices");
	for (size_t i = 0; i < n; i++)
		tell_device(data, &interfaces[i]);
	json_end_array(data);
	json_object(data, "programs");
	facts_programs(engine, tell_program, data);
	json_end_object(data);
}

/* `--set token=...`: without a value that the plan keeps to itself. */
static void tell_word(struct json *data, const struct plan *plan, const char *word)
{
	const char *equals = strchr(word, '=');
	const char *name = equals && !strncmp(word, "--", 2) ? equals + 1 : word;
	size_t keep = 0;
	char *told = NULL;

	for (size_t i = 0; i < plan->n_hidden && !keep; i++) {
		size_t len = strlen(plan->hidden[i]);

		if (!strncmp(name, plan->hidden[i], len) && name[len] == '=')
			keep = name + len + 1 - word;
	}
	if (keep && asprintf(&told, "%.*s...", (int)keep, word) < 0)
		told = NULL;
	json_string(data, NULL, !keep ? word : told ?: "...");
	free(told);
}

void facts_command(struct json *data, const struct plan *plan, char *const *words, size_t n)
{
	json_array(data, "command");
	for (size_t i = 0; i < n; i++)
		tell_word(data, plan, words[i]);
	json_end_array(data);
}
