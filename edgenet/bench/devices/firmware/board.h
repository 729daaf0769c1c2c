/* What a program on an emulated board has: files of the host, a timer, a painted stack. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

enum { READ_BINARY = 1, WRITE_BINARY = 5 };

uint32_t open_file(const char* name, uint32_t mode);
uint32_t read_file(uint32_t file, void* to, uint32_t bytes);
uint32_t write_file(uint32_t file, const void* from, uint32_t bytes);
void close_file(uint32_t file);
uint64_t ticks(void);
void paint_stack(void);
uint32_t painted_over(void);
void quit(uint32_t code);

#endif
