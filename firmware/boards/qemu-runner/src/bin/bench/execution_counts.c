/* A plugin for QEMU that counts how often each instruction of the guest is executed.
 *
 * At the end it writes a line for each: address in hexadecimal, bytes, count, disassembly, with tabs between. QEMU's
 * header of the plugin interface, version 1, does not come with Debian's packages, so that what is needed is declared
 * here as https://www.qemu.org/docs/master/devel/tcg-plugins.html describes it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64_INLINE = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
char *qemu_plugin_insn_disas(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*callback)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *instruction, int operation, void *counter,
                                                uint64_t increment);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id, void *), void *argument);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* The flash of mps2-an386 begins at 0; instructions begin at even addresses. */
enum { FLASH_BYTES = 4 << 20 };
static struct {
    uint64_t count;
    uint64_t size;
    char *disassembly;
} executed[FLASH_BYTES / 2];
static char output[4096];

/* A block may be translated more than once: the counter belongs to the address. */
static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    for (size_t index = 0; index < qemu_plugin_tb_n_insns(block); index++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, index);
        uint64_t slot = qemu_plugin_insn_vaddr(instruction) / 2;
        if (slot >= FLASH_BYTES / 2)
            continue;
        if (!executed[slot].disassembly) {
            executed[slot].disassembly = qemu_plugin_insn_disas(instruction);
            executed[slot].size = qemu_plugin_insn_size(instruction);
        }
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_U64_INLINE, &executed[slot].count, 1);
    }
}

static void finished(plugin_id id, void *argument)
{
    (void)id;
    (void)argument;
    FILE *file = fopen(output, "w");
    if (!file) {
        perror(output);
        return;
    }
    for (uint64_t slot = 0; slot < FLASH_BYTES / 2; slot++)
        if (executed[slot].count)
            fprintf(file, "%" PRIx64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\n", 2 * slot, executed[slot].size,
                    executed[slot].count, executed[slot].disassembly);
    fclose(file);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || strlen(argv[0] + 4) >= sizeof output)
        return 1;
    strcpy(output, argv[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
