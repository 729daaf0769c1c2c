/* Runs the network on every sample of inputs.bin, writes outputs.bin, and what it took into measured.bin. glue.h, which
 * is generated, has read_inputs, run_network and write_outputs. */
#include "board.h"
#include "glue.h"

#define LOOPS 100000u

/* Runs 2 instructions LOOPS times, by which ticks become instructions. */
static void count_down(void) {
  uint32_t left = LOOPS;
  __asm__ volatile(".syntax unified\n1:\n\tsubs %0, %0, #1\n\tbne 1b" : "+l"(left) : : "cc");
}

int main(void) {
  struct {
    uint64_t loop, run;
    uint32_t loops, samples, stack, reserved;
  } measured = {0, 0, LOOPS, 0, 0, 0};
  const uint64_t begin = ticks();
  count_down();
  measured.loop = ticks() - begin;
  const uint32_t inputs = open_file("inputs.bin", READ_BINARY), outputs = open_file("outputs.bin", WRITE_BINARY);
  for (;;) {
    int32_t steps = 0;
    if (read_file(inputs, &steps, sizeof steps) || read_inputs(inputs, steps)) break;
    paint_stack();
    const uint64_t start = ticks();
    if (run_network(steps)) quit(112);
    measured.run += ticks() - start;
    if (painted_over() > measured.stack) measured.stack = painted_over();
    measured.samples++;
    if (write_outputs(outputs, steps)) quit(113);
  }
  close_file(outputs);
  const uint32_t results = open_file("measured.bin", WRITE_BINARY);
  write_file(results, &measured, sizeof measured);
  close_file(results);
  return 0;
}
