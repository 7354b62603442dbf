/* stop.c - Ctrl-C and SIGTERM: the first finishes the pictures at hand, the second stops at once. */
#include "cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stopped, at_hand, words, silent;

static void on_signal(int sig) // async-signal-safe: write, _exit
{
    if (stopped) _exit(128 + sig);
    stopped = sig;
    if (silent || sig != SIGINT) return;
    char text[] = "finishing     images; press again to stop now\n";
    int n = at_hand > 999 ? 999 : at_hand;
    for (int i = 12; n && i >= 10; i--, n /= 10)
        text[i] = (char)('0' + n % 10);
    if (at_hand < 1) text[12] = '0';
    static const char of_words[] = "finishing the words at hand; press again to stop now\n";
    const char *said = words ? of_words : text;
    const size_t size = words ? sizeof of_words : sizeof text;
    if (write(STDERR_FILENO, "\n", 1) == 1) (void)!write(STDERR_FILENO, said, size - 1);
}

void cli_stop_begin(const cli_options *o)
{
    struct sigaction action = {.sa_handler = on_signal};
    silent = o->quiet;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

void cli_stop_at_hand(size_t images)
{
    at_hand = (sig_atomic_t)images;
}

void cli_stop_words(bool at_work)
{
    words = at_work;
}

int cli_stopped(void)
{
    return stopped ? 128 + stopped : 0;
}
