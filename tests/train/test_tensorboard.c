#include "train/tensorboard.h"

#include <stdlib.h>

#include "test.h"

TEST(crc_of_the_standard_check_string) {
  ASSERT_INT(crc32c("123456789", 9), 0xe3069283u);
  uint8_t zeros[32] = {0};
  ASSERT_INT(crc32c(zeros, 32), 0x8a9136aau);  // RFC 3720, B.4
}

static uint64_t fixed(const uint8_t *p, int bytes) {
  uint64_t v = 0;
  for (int i = bytes; i-- > 0;) v = v << 8 | p[i];
  return v;
}

TEST(records_are_whole_and_hold_the_scalar) {
  static TensorBoard t;
  ASSERT_OK(tensorboard_open(&t, test_folder(), 8));
  ASSERT_OK(tensorboard_scalar(&t, "loss", 300, 1.5, 2.5));
  ASSERT_OK(tensorboard_close(&t));
  FileMap map;
  ASSERT_OK(file_map(&map, t.path));
  size_t at = 0, sizes[3] = {0};
  int n = 0;
  for (; at < map.size && n < 3; n++) {
    sizes[n] = (size_t)fixed(map.data + at, 8);
    ASSERT_INT(fixed(map.data + at + 8, 4), crc32c_masked(map.data + at, 8));
    ASSERT_INT(fixed(map.data + at + 12 + sizes[n], 4), crc32c_masked(map.data + at + 12, sizes[n]));
    at += sizes[n] + 16;
  }
  ASSERT_INT(n, 3);
  ASSERT_INT(at, map.size);
  // wall_time 1.5, step 300, summary { value { tag "loss", simple_value 2.5 } }
  static const uint8_t want[] = {0x09, 0,    0,    0,    0,   0,   0,   0xf8, 0x3f, 0x10, 0xac, 0x02, 0x2a, 0x0d,
                                 0x0a, 0x0b, 0x0a, 0x04, 'l', 'o', 's', 's',  0x15, 0,    0,    0x20, 0x40};
  ASSERT_INT(sizes[2], sizeof want);
  ASSERT(memcmp(map.data + map.size - 4 - sizeof want, want, sizeof want) == 0);
  file_unmap(&map);
}
