// The filters that walk a sequence, for the list in jinja_filters.c.
#ifndef TEXT_JINJA_FILTERS_H
#define TEXT_JINJA_FILTERS_H

#include "text/jinja_run.h"

#define FILTER_FN(name) Err filter_##name(JinjaRun *r, Value v, const Args *a, Value *out)

FILTER_FN(dictsort);
FILTER_FN(first);
FILTER_FN(items);
FILTER_FN(join);
FILTER_FN(last);
FILTER_FN(list);
FILTER_FN(map);
FILTER_FN(max);
FILTER_FN(min);
FILTER_FN(reject);
FILTER_FN(rejectattr);
FILTER_FN(reverse);
FILTER_FN(select);
FILTER_FN(selectattr);
FILTER_FN(sort);
FILTER_FN(sum);
FILTER_FN(unique);

#endif
