// The cache of sample orders that Megatron and MindFormers keep beside the data: files named by the md5 of a description, so
// that they find ours and we find theirs. Building is fast; the cache is for sharing and for looking at.
#ifndef DATA_GPT_CACHE_H
#define DATA_GPT_CACHE_H

#include "base/err.h"
#include "data/gpt_dataset.h"
#include "data/md5.h"
#include "data/split.h"

// The description: the JSON text that Python's json.dumps(indent=4) makes of it. *text is fresh, free() it. split: as the user
// wrote it.
Err gpt_cache_describe(const char *prefix, const char *split, SplitPart part, const GptOptions *option, char **text,
                       char md5[MD5_HEX_BYTES]);

// As gpt_dataset_build for one part of a split, but taken from FOLDER/{md5}-GPTDataset-{part}-*.npy where these are whole and
// fit, else built and written there (sample_index as int64, read as int32 too). A cache that is damaged is said (log) and built
// again. folder NULL: PREFIX's own folder is not touched, nothing is read or written.
Err gpt_cache_build(GptDataset *g, const Indexed *data, const char *split, SplitPart part, const GptOptions *option,
                    const char *folder);

#endif
