/* A QEMU plugin that counts how often each translated block of two libraries ran for the last reply of an aarch64
 * program, that is, between the last two times that it wrote to a file or pipe other than the three standard ones:
 *   qemu-aarch64 -plugin block_counts.so,out=FILE,first=NAME,second=NAME program
 * When the program has ended, FILE holds for every block of a mapped file whose path contains NAME one line
 * "block NAME OFFSET RUNS", its instructions, a line each, and an empty line; OFFSET is the block's in the file.
 *
 * It declares what it uses of version 1 of QEMU's plugin interface (4.2 to 8.2) itself: distributions ship no header of
 * it. Guest and host addresses are taken to be the same, as they are for a 64-bit guest on a 64-bit host. */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 };
enum { WRITE = 64, WRITEV = 66, STANDARD_ERROR = 2 }; /* of Linux on aarch64 */
typedef void (*translated_callback)(uint64_t, struct qemu_plugin_tb*);
typedef void (*exit_callback)(uint64_t, void*);
typedef void (*syscall_callback)(uint64_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, translated_callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb*, int, void*, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t, syscall_callback);
void qemu_plugin_register_atexit_cb(uint64_t, exit_callback, void*);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
char* qemu_plugin_insn_disas(const struct qemu_plugin_insn*);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { BUCKETS = 1 << 16, NAMES = 2 };

struct block {
  struct block* next;
  uint64_t address, runs, runs_of_reply;
  size_t instructions;
  char* text;
};

static struct block* buckets[BUCKETS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *out_path, *names[NAMES];

static char* describe(const struct qemu_plugin_tb* tb, size_t count) {
  char* text = NULL;
  size_t size = 0;
  FILE* stream = open_memstream(&text, &size);
  for (size_t i = 0; i < count; ++i) {
    char* instruction = qemu_plugin_insn_disas(qemu_plugin_tb_get_insn(tb, i));
    fprintf(stream, "%s\n", instruction ? instruction : "?");
    free(instruction);
  }
  fclose(stream);
  return text;
}

static void on_translated(uint64_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  const uint64_t address = qemu_plugin_tb_vaddr(tb);
  const size_t count = qemu_plugin_tb_n_insns(tb);
  pthread_mutex_lock(&mutex);
  struct block** bucket = &buckets[(address >> 2) % BUCKETS];
  struct block* found = *bucket;
  while (found && (found->address != address || found->instructions != count)) found = found->next;
  if (!found) {
    found = calloc(1, sizeof *found);
    *found = (struct block){*bucket, address, 0, 0, count, describe(tb, count)};
    *bucket = found;
  }
  qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &found->runs, 1);
  pthread_mutex_unlock(&mutex);
}

static void on_syscall(uint64_t id, unsigned vcpu, int64_t number, uint64_t file, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)vcpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if ((number != WRITE && number != WRITEV) || file <= STANDARD_ERROR) return;
  pthread_mutex_lock(&mutex);
  for (size_t i = 0; i < BUCKETS; ++i) {
    for (struct block* block = buckets[i]; block; block = block->next) {
      block->runs_of_reply = block->runs;
      block->runs = 0;
    }
  }
  pthread_mutex_unlock(&mutex);
}

static void write_blocks(FILE* out, const char* name, uint64_t start, uint64_t end, uint64_t offset) {
  for (size_t i = 0; i < BUCKETS; ++i) {
    for (const struct block* block = buckets[i]; block; block = block->next) {
      if (block->address < start || block->address >= end || !block->runs_of_reply) continue;
      fprintf(out, "block %s %" PRIu64 " %" PRIu64 "\n%s\n", name, block->address - start + offset,
              block->runs_of_reply, block->text);
    }
  }
}

static void on_exit_of_guest(uint64_t id, void* data) {
  (void)id, (void)data;
  FILE* out = fopen(out_path, "w");
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[4096];
  while (out && maps && fgets(line, sizeof line, maps)) {
    uint64_t start, end, offset;
    char permissions[8];
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64, &start, &end, permissions, &offset) != 4) continue;
    for (int i = 0; i < NAMES; ++i) {
      if (names[i] && strstr(line, names[i])) write_blocks(out, names[i], start, end, offset);
    }
  }
  if (maps) fclose(maps);
  if (out) fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void* information, int count,
                                                               char** arguments) {
  (void)information;
  for (int i = 0; i < count; ++i) {
    if (!strncmp(arguments[i], "out=", 4)) out_path = strdup(arguments[i] + 4);
    if (!strncmp(arguments[i], "first=", 6)) names[0] = strdup(arguments[i] + 6);
    if (!strncmp(arguments[i], "second=", 7)) names[1] = strdup(arguments[i] + 7);
  }
  if (!out_path) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
  return 0;
}
