#include "data/md5.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  uint32_t sum[4], sine[64];
} Md5;

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void mix(Md5 *m, const uint8_t block[64]) {
  static const int turn[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  uint32_t word[16], a = m->sum[0], b = m->sum[1], c = m->sum[2], d = m->sum[3];
  memcpy(word, block, sizeof word);
  for (int i = 0; i < 64; i++) {
    uint32_t f;
    int at;
    switch (i / 16) {
      case 0: f = (b & c) | (~b & d), at = i; break;
      case 1: f = (d & b) | (~d & c), at = (5 * i + 1) % 16; break;
      case 2: f = b ^ c ^ d, at = (3 * i + 5) % 16; break;
      default: f = c ^ (b | ~d), at = 7 * i % 16; break;
    }
    f += a + m->sine[i] + word[at];
    a = d;
    d = c;
    c = b;
    b += rotate(f, turn[i / 16][i % 4]);
  }
  m->sum[0] += a;
  m->sum[1] += b;
  m->sum[2] += c;
  m->sum[3] += d;
}

void md5_hex(const void *data, size_t size, char out[MD5_HEX_BYTES]) {
  Md5 m = {.sum = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u}};
  for (int i = 0; i < 64; i++) m.sine[i] = (uint32_t)(fabs(sin(i + 1)) * 4294967296.0);
  const uint8_t *p = data;
  size_t whole = size / 64 * 64;
  for (size_t i = 0; i < whole; i += 64) mix(&m, p + i);
  uint8_t tail[128] = {0};
  size_t left = size - whole, ends = left < 56 ? 64 : 128;
  if (left) memcpy(tail, p + whole, left);
  tail[left] = 0x80;
  uint64_t bits = (uint64_t)size * 8;
  memcpy(tail + ends - 8, &bits, sizeof bits);
  for (size_t i = 0; i < ends; i += 64) mix(&m, tail + i);
  uint8_t digest[16];
  memcpy(digest, m.sum, sizeof digest);
  for (int i = 0; i < 16; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
