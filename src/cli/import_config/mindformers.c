#include "cli/import_config/mindformers.h"

static const ImportRule rules[] = {
#include "cli/import_config/mindformers.inc"
    {0}};

const ImportTable import_mindformers = {"mindformers", rules, import_mindformers_begin, import_mindformers_finish};
