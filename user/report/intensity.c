/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/intensity.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "5%" -> 0.05; NaN: it is no percentage. */
static double read_percent(const json_t *value)
{
	const char *text = json_string_value(value);
	char *end;
	double percent;

	if (!text)
		return NAN;
	percent = strtod(text, &end);
	return end != text && strcmp(end, "%") == 0 && percent >= 0 && percent <= 100 ? percent / 100 : NAN;
}

static double percent_or(const json_t *object, const char *key, double otherwise)
{
	double share = read_percent(json_object_get(object, key));

	return isnan(share) ? otherwise : share;
}

/* In the long run the model is in its bad state for p / (p + r) of the packets. */
static double read_gemodel(const json_t *model)
{
	double p = percent_or(model, "p", NAN), r = percent_or(model, "r", NAN);
	double bad = percent_or(model, "bad", 1), good = percent_or(model, "good", 0);

	return (p * bad + r * good) / (p + r);
}

/* A share as a percentage, or a mapping that has one. */
static double read_share(const json_t *value)
{
	const json_t *every = json_object_get(value, "every"), *model = json_object_get(value, "gemodel");

	if (json_is_string(value))
		return read_percent(value);
	if (json_integer_value(every) > 0)
		return 1.0 / (double)json_integer_value(every);
	return model ? read_gemodel(model) : percent_or(value, "percent", NAN);
}

double fault_intensity(const char *fault)
{
	static const char *const keys[] = {"loss", "duplicate", "corrupt", "reorder", "percent"};
	json_t *json = fault ? json_loads(fault, 0, NULL) : NULL;
	double largest = NAN;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		largest = fmax(largest, read_share(json_object_get(json, keys[i])));
	json_decref(json);
	return isnan(largest) ? 1 : largest;
}
