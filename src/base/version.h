// Which program this is: what wrote a checkpoint or ran a training says so.
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

// The commit as git describes it when the build was configured ("1a2b3c4-dirty"), or "unknown" outside a checkout.
const char *version_text(void);

#endif
