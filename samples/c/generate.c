/* Generates text with a compiled model, in plain C: open, tokenize, evaluate,
 * sample, stream. Needs nothing but the installed hasten package.
 *
 *     generate MODEL.hst PROMPT [MAX_TOKENS]
 */
#include <hasten.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints what went wrong and returns the exit status. */
static int Report(hst_error* error) {
  fprintf(stderr, "error: %s\n", hst_error_message(error));
  const int status = (int)hst_error_status(error);
  hst_error_free(error);
  return status;
}

static int IsEnd(const hst_generation* generation, int32_t token) {
  for (size_t i = 0; i < generation->eos_count; ++i)
    if (generation->eos_ids[i] == token) return 1;
  return 0;
}

/* What is freed in any case, in one place. */
typedef struct {
  hst_model* model;
  hst_context* context;
  hst_stream* stream;
  hst_tokens* prompt;
} State;

static hst_status Generate(State* s, const char* path, const char* text, long max_tokens, hst_error** error) {
  hst_status status = hst_model_open(path, NULL, &s->model, error);
  if (status != HST_OK) return status;
  hst_generation generation = HST_GENERATION_INIT;
  if ((status = hst_model_get_generation(s->model, &generation, error)) != HST_OK) return status;
  if ((status = hst_context_create(s->model, NULL, &s->context, error)) != HST_OK) return status;
  if ((status = hst_stream_create(s->model, NULL, &s->stream, error)) != HST_OK) return status;
  if ((status = hst_encode(s->model, text, strlen(text), NULL, &s->prompt, error)) != HST_OK) return status;

  hst_eval_item item = HST_EVAL_ITEM_INIT; /* wants the last token's logits */
  if ((status = hst_sequence_create(s->context, &item.sequence, error)) != HST_OK) return status;
  item.tokens = hst_tokens_data(s->prompt, &item.count);
  int64_t position = (int64_t)item.count;
  int32_t token = 0;
  for (long n = 0; n < max_tokens; ++n, ++position) {
    if ((status = hst_evaluate(s->context, &item, 1, error)) != HST_OK) return status;
    hst_sample_options greedy = HST_SAMPLE_OPTIONS_INIT;
    greedy.temperature = 0;
    status = hst_sample_row(s->context, 0, 0, 0, NULL, 0, position, &greedy, &token, error); /* where the logits are */
    if (status != HST_OK) return status;
    if (IsEnd(&generation, token)) break;
    const char* piece = NULL;
    size_t size = 0;
    if ((status = hst_stream_push(s->stream, token, &piece, &size, NULL, error)) != HST_OK) return status;
    fwrite(piece, 1, size, stdout);
    fflush(stdout);
    item.tokens = &token;
    item.count = 1;
  }
  const char* rest = NULL;
  size_t size = 0;
  if ((status = hst_stream_finish(s->stream, &rest, &size, error)) != HST_OK) return status;
  fwrite(rest, 1, size, stdout);
  putchar('\n');
  return HST_OK;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s MODEL.hst PROMPT [MAX_TOKENS]\n", argv[0]);
    return HST_USAGE;
  }
  State state = {NULL, NULL, NULL, NULL};
  hst_error* error = NULL;
  const hst_status status = Generate(&state, argv[1], argv[2], argc > 3 ? atol(argv[3]) : 64, &error);
  hst_tokens_free(state.prompt);
  hst_stream_free(state.stream);
  hst_context_free(state.context);
  hst_model_free(state.model);
  return status == HST_OK ? 0 : Report(error);
}
