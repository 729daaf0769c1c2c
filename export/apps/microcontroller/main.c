/* Prints which digit an array holds. Put your sensor in the place of digit.h, your UART or display in that of say(). */
#include "board.h"
#include "digit.h"
#include "lenet5.h"

enum { SIDE = 32, MARGIN = (SIDE - DIGIT_SIDE) / 2, CLASSES = 10 };

static float input[SIDE * SIDE], logits[CLASSES];

/* What training did to a picture: into the middle of black, then (pixel / 255 - mean) / deviation. The numbers are
 * those under "preprocessing" in the checkpoint's .json. */
static void prepare(const uint8_t* pixels) {
  const float mean = 0.1307f, deviation = 0.3081f;
  const float scale = 1.0f / (255.0f * deviation), offset = mean / deviation;
  for (int y = 0; y < SIDE; y++) {
    for (int x = 0; x < SIDE; x++) {
      const int row = y - MARGIN, column = x - MARGIN;
      const int inside = row >= 0 && row < DIGIT_SIDE && column >= 0 && column < DIGIT_SIDE;
      input[y * SIDE + x] = (inside ? pixels[row * DIGIT_SIDE + column] : 0) * scale - offset;
    }
  }
}

static int best_class(void) {
  int best = 0;
  for (int i = 1; i < CLASSES; i++) {
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

/* Through the debugger, or the emulator, that semihosting needs at the other end. */
static void say(int class) {
  const char line[2] = {(char)('0' + class), '\n'};
  const uint32_t console = open_file(":tt", WRITE_BINARY);
  write_file(console, line, sizeof line);
  close_file(console);
}

int main(void) {
  prepare(digit);
  lenet5_run(input, logits);
  say(best_class());
  return 0;
}
