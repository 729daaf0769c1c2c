/* Start-up of a Cortex-M without an operating system: memory set up, stack painted, main called. */
#include "board.h"

extern uint32_t _stack_top[], _data_source[], _data_begin[], _data_end[], _bss_begin[], _bss_end[], _stack_bottom[];
int main(void);

static volatile uint32_t wraps;

#define SYSTICK_CONTROL (*(volatile uint32_t*)0xE000E010)
#define SYSTICK_RELOAD (*(volatile uint32_t*)0xE000E014)
#define SYSTICK_VALUE (*(volatile uint32_t*)0xE000E018)
#define COPROCESSOR_ACCESS (*(volatile uint32_t*)0xE000ED88)
#define PAINT 0xC0DEC0DEu
#define STACK_GAP 64 /* bytes below the painter's own frame, which count as used */

uint32_t semihosting(uint32_t operation, const void* arguments) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void* r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void quit(uint32_t code) {
  const uint32_t exited[2] = {0x20026, code};
  semihosting(0x20, exited);
  semihosting(0x18, (const void*)0x20026);
  for (;;) {
  }
}

uint32_t open_file(const char* name, uint32_t mode) {
  uint32_t length = 0;
  while (name[length]) length++;
  const uint32_t arguments[3] = {(uint32_t)name, mode, length};
  return semihosting(0x01, arguments);
}

/* How many bytes were not read, or not written. */
uint32_t read_file(uint32_t file, void* to, uint32_t bytes) {
  const uint32_t arguments[3] = {file, (uint32_t)to, bytes};
  return semihosting(0x06, arguments);
}

uint32_t write_file(uint32_t file, const void* from, uint32_t bytes) {
  const uint32_t arguments[3] = {file, (uint32_t)from, bytes};
  return semihosting(0x05, arguments);
}

void close_file(uint32_t file) { semihosting(0x02, &file); }

/* Ticks of the timer since it was started. */
uint64_t ticks(void) {
  uint32_t before, value, again;
  do {
    before = wraps;
    value = SYSTICK_VALUE;
    again = SYSTICK_VALUE;
  } while (before != wraps || again > value);
  return (uint64_t)before * 0x1000000u + (0xFFFFFFu - value);
}

void paint_stack(void) {
  uint32_t here;
  uint32_t* end = (uint32_t*)((uint32_t)&here - STACK_GAP);
  for (volatile uint32_t* word = _stack_bottom; word < end; word++) *word = PAINT;
}

/* Bytes between the top and the lowest word that is no longer painted. */
uint32_t painted_over(void) {
  const volatile uint32_t* word = _stack_bottom;
  while (word < _stack_top && *word == PAINT) word++;
  return (uint32_t)_stack_top - (uint32_t)word;
}

static void tick(void) { wraps++; }

static void fault(void) { quit(111); }

void reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  COPROCESSOR_ACCESS |= 0xFu << 20;
  __asm__ volatile("dsb\n\tisb");
#endif
  const uint32_t* source = _data_source;
  for (uint32_t* word = _data_begin; word < _data_end;) *word++ = *source++;
  for (uint32_t* word = _bss_begin; word < _bss_end;) *word++ = 0;
  SYSTICK_RELOAD = 0xFFFFFF;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 7;
  while (SYSTICK_VALUE == 0) { /* until the first tick reloads it */
  }
  quit((uint32_t)main());
}

__attribute__((section(".vectors"), used)) static const void* const vectors[16] = {_stack_top,
                                                                                   (const void*)reset,
                                                                                   (const void*)fault,
                                                                                   (const void*)fault,
                                                                                   (const void*)fault,
                                                                                   (const void*)fault,
                                                                                   (const void*)fault,
                                                                                   0,
                                                                                   0,
                                                                                   0,
                                                                                   0,
                                                                                   (const void*)fault,
                                                                                   0,
                                                                                   0,
                                                                                   (const void*)fault,
                                                                                   (const void*)tick};
