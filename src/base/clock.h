// Time.
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

// Seconds since some fixed moment, never going back.
double clock_s(void);
// Seconds that the threads of this process have spent on processors, together.
double clock_processor_s(void);
// Seconds since 1970 (for files that say when).
double clock_wall_s(void);

#endif
