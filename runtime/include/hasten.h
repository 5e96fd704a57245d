/* hasten: the C interface of the runtime (libhasten). Open a compiled model,
 * evaluate tokens of any number of sequences at once, sample, and turn text into
 * tokens and back. The only public header; plain C99, also valid C++.
 *
 * Conventions
 * - Every call that can fail returns an hst_status and takes an optional
 *   `hst_error** error`: on failure a description that the caller frees with
 *   hst_error_free, on success NULL. Nothing aborts, prints or throws.
 * - NULL handles and NULL results are HST_USAGE; the *_free functions accept NULL.
 * - Strings are UTF-8 with explicit lengths, not necessarily NUL-terminated.
 *   Borrowed strings live as long as the handle they came from.
 * - Option structs begin with `struct_size`, set to sizeof(the struct): use the
 *   HST_..._INIT macros. Zero or NULL fields mean the default unless said otherwise.
 * - Thread safety: an hst_model is immutable, any number of threads may use it.
 *   An hst_context or hst_stream serves one call at a time (HST_USAGE when two
 *   threads meet in one context), only hst_cancel may be called meanwhile.
 *   There is no global state. The floating-point environment of the caller does
 *   not change results and is left as it was.
 */
#ifndef HASTEN_H_
#define HASTEN_H_

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#error "hasten supports Linux only"
#endif
#define HST_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function or struct changes incompatibly. */
#define HST_ABI_VERSION 1u

typedef int32_t hst_status;
#define HST_OK 0
#define HST_USAGE 2         /* a wrong argument or call */
#define HST_BAD_INPUT 3     /* the artifact or data is malformed */
#define HST_RESOURCE 4      /* I/O, memory, KV cache full */
#define HST_UNSUPPORTED 6   /* well-formed, but not handled */
#define HST_INTERNAL 70     /* a bug of hasten's */
#define HST_CANCELLED 130   /* hst_cancel was called */

typedef struct hst_error hst_error;
typedef struct hst_model hst_model;
typedef struct hst_context hst_context;
typedef struct hst_stream hst_stream;
typedef struct hst_tokens hst_tokens;
typedef struct hst_text hst_text;
typedef uint64_t hst_sequence; /* of one context; 0 is none; never reused */

/* ---- library ---------------------------------------------------------- */

HST_API uint32_t hst_abi_version(void);  /* HST_ABI_VERSION of the library */
HST_API const char* hst_version(void);   /* "0.1.0", NUL-terminated, static */

HST_API hst_status hst_error_status(const hst_error* error);
HST_API const char* hst_error_message(const hst_error* error); /* NUL-terminated, lives with the error */
HST_API void hst_error_free(hst_error* error);

/* ---- model ------------------------------------------------------------ */

typedef void (*hst_log_fn)(void* user, const char* message, size_t size);

typedef struct hst_model_options {
  uint32_t struct_size;
  uint32_t verify;      /* 1: check every digest (reads the whole file), before the model is there. On a device a second thread
                           does it while weights are copied */
  const char* isa;      /* NUL-terminated: "scalar", "avx2", "avxvnni", "avx512vnni"; NULL: best */
  hst_log_fn log;       /* called from the calling thread of hst_model_open and hst_context_create */
  void* log_user;
  uint32_t small_pages; /* 1: never copy weights that are read often to huge pages (a private copy, faster to read) */
  uint32_t reserved;
  const char* device;   /* NUL-terminated: "cpu", "cuda", "cuda:1", or "auto": CUDA's first device, or with a line to `log` the
                           CPU; NULL: "cpu". The weights are copied to it. HST_RESOURCE: it cannot be used, and why */
  uint64_t device_memory; /* bytes that the model and its contexts may take of it; 0: all that is there */
} hst_model_options;
#define HST_MODEL_OPTIONS_INIT {sizeof(hst_model_options), 0, NULL, NULL, NULL, 0, 0, NULL, 0}

/* Maps the artifact at `path` (NUL-terminated). The file must stay unchanged
 * while the model lives; replace artifacts by rename. `options` may be NULL. */
HST_API hst_status hst_model_open(const char* path, const hst_model_options* options, hst_model** model, hst_error** error);
/* Contexts and streams keep what they need: order of freeing is free. */
HST_API void hst_model_free(hst_model* model);
/* Reads the whole file: every digest, every padding byte. */
HST_API hst_status hst_model_verify(const hst_model* model, hst_error** error);

#define HST_KV_I8 0
#define HST_KV_F16 1
#define HST_KV_F32 2

typedef struct hst_model_info {
  uint32_t struct_size;
  uint32_t vocab;             /* token ids are below it */
  int64_t max_positions;      /* tokens of a sequence */
  uint32_t layers;            /* attention layers with KV state */
  uint32_t outputs;
  uint32_t instructions;
  uint32_t token_types;       /* 0: the model has none */
  uint32_t causal;            /* 0: an encoder, sequences are evaluated whole */
  uint32_t kv_type;           /* HST_KV_... */
  uint32_t has_tokenizer;
  uint32_t has_chat_template; /* may open the tokenizer */
  uint64_t file_bytes;
  uint64_t upload_nanoseconds; /* that copying the weights to a device took; 0 on the CPU */
  uint64_t verify_nanoseconds; /* that hst_model_options.verify took, on a device beside the copying; 0 without it */
  uint64_t device_bytes;       /* that the model and its contexts hold of a device's memory now; 0 on the CPU */
  uint64_t device_bytes_left;  /* that contexts may still take: of device_memory, and of what the device has free */
} hst_model_info;
#define HST_MODEL_INFO_INIT {sizeof(hst_model_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* `info->struct_size` must be set; as much as fits is filled. */
HST_API hst_status hst_model_get_info(const hst_model* model, hst_model_info* info, hst_error** error);

#define HST_STRING_PATH 0
#define HST_STRING_ISA 1
#define HST_STRING_ARCHITECTURE 2   /* the source's model_type, "" if unknown */
#define HST_STRING_TOOL_VERSION 3
#define HST_STRING_RECIPE 4         /* "key=value" lines */
#define HST_STRING_SOURCE_DIGEST 5  /* SHA-256 in hexadecimal, "" if none */
#define HST_STRING_CALIBRATION_DIGEST 6
#define HST_STRING_LICENCE 7
#define HST_STRING_CARD 8           /* quality card, JSON, "" when never gated */
#define HST_STRING_DEVICE 9         /* where it runs: "cpu", or the name of the CUDA device */
HST_API hst_status hst_model_get_string(const hst_model* model, uint32_t which, const char** data, size_t* size,
                                        hst_error** error);

typedef struct hst_generation {
  uint32_t struct_size;
  uint32_t do_sample;
  const int32_t* eos_ids;     /* borrowed; generation ends at any of them */
  size_t eos_count;
  int32_t bos_id, pad_id;     /* -1: none */
  float temperature, top_p, min_p, repetition_penalty;
  int32_t top_k;
  uint64_t max_length;        /* 0: not given */
} hst_generation;
#define HST_GENERATION_INIT {sizeof(hst_generation), 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/* What the source model's generation_config says. */
HST_API hst_status hst_model_get_generation(const hst_model* model, hst_generation* generation, hst_error** error);

typedef struct hst_layer_info {
  uint32_t struct_size;
  uint32_t heads, kv_heads, head_dim, v_head_dim;
  uint32_t causal;
  int64_t window;             /* 0: none */
  const char* past_k;         /* names in the source model, NUL-terminated, borrowed, "" if none */
  const char* past_v;
  const char* present_k;
  const char* present_v;
} hst_layer_info;
#define HST_LAYER_INFO_INIT {sizeof(hst_layer_info), 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL}
HST_API hst_status hst_model_get_layer(const hst_model* model, uint32_t layer, hst_layer_info* info, hst_error** error);

#define HST_OUTPUT_LOGITS 0
#define HST_OUTPUT_HIDDEN 1

typedef struct hst_output_info {
  uint32_t struct_size;
  uint32_t kind;              /* HST_OUTPUT_... */
  const char* name;           /* NUL-terminated, borrowed */
  int64_t cols;
  int32_t row;                /* -1: a row for every wanted token; else only of that token (pooled) */
} hst_output_info;
#define HST_OUTPUT_INFO_INIT {sizeof(hst_output_info), 0, NULL, 0, 0}
HST_API hst_status hst_model_get_output(const hst_model* model, uint32_t output, hst_output_info* info, hst_error** error);

#define HST_ARITHMETIC_NONE 0
#define HST_ARITHMETIC_I8 1
#define HST_ARITHMETIC_F32 2

/* The counts say what a step has to move and multiply at least: the weight once,
 * operands and new keys a row, and for attention, cached keys and values. */
typedef struct hst_instruction_info {
  uint32_t struct_size;
  const char* op;             /* "Linear", NUL-terminated, static */
  const char* kernel;         /* "linear_int4_avx2", NUL-terminated, static */
  const char* loc;            /* source node, NUL-terminated, borrowed, "" if none */
  uint32_t output_rows;       /* 1: its rows are the wanted ones; 0: all tokens of the step */
  uint32_t arithmetic;        /* HST_ARITHMETIC_...: of the multiply-adds */
  uint64_t weight_bytes;      /* a step with at least one row */
  uint64_t row_bytes;         /* a row */
  uint64_t row_multiply_adds; /* a row */
  uint64_t key_bytes;         /* a cached token that any row of a sequence sees */
  uint64_t key_multiply_adds; /* a row and cached token that it sees */
  int64_t window;             /* most tokens up to its own that a row sees; 0: all (and see hst_layer_info.causal) */
} hst_instruction_info;
#define HST_INSTRUCTION_INFO_INIT {sizeof(hst_instruction_info), NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0}
HST_API hst_status hst_model_get_instruction(const hst_model* model, uint32_t instruction, hst_instruction_info* info,
                                             hst_error** error);

/* ---- text ------------------------------------------------------------- */

HST_API const int32_t* hst_tokens_data(const hst_tokens* tokens, size_t* count);
HST_API void hst_tokens_free(hst_tokens* tokens);
HST_API const char* hst_text_data(const hst_text* text, size_t* size); /* also NUL-terminated */
HST_API void hst_text_free(hst_text* text);

typedef struct hst_encode_options {
  uint32_t struct_size;
  uint32_t no_special_tokens; /* 1: without BOS, CLS and the like around the text */
  uint32_t plain_special;     /* 1: "<|im_end|>" in the text is letters, not that token */
  const char* pair;           /* second text of a pair (encoders), or NULL */
  size_t pair_size;
} hst_encode_options;
#define HST_ENCODE_OPTIONS_INIT {sizeof(hst_encode_options), 0, 0, NULL, 0}
HST_API hst_status hst_encode(const hst_model* model, const char* text, size_t size, const hst_encode_options* options,
                              hst_tokens** tokens, hst_error** error);
/* Always valid UTF-8. */
HST_API hst_status hst_decode(const hst_model* model, const int32_t* tokens, size_t count, uint32_t keep_special,
                              hst_text** text, hst_error** error);
/* A token as the vocabulary spells it; HST_USAGE when there is none. */
HST_API hst_status hst_token_text(const hst_model* model, int32_t token, hst_text** text, hst_error** error);
/* The id of a vocabulary entry; HST_USAGE when there is none. */
HST_API hst_status hst_token_id(const hst_model* model, const char* text, size_t size, int32_t* token, hst_error** error);

typedef struct hst_string {
  const char* data;
  size_t size;
} hst_string;

typedef struct hst_chat_message {
  hst_string role, content;
} hst_chat_message;

typedef struct hst_chat_variable { /* a further variable of the template */
  hst_string name;
  hst_string value;
  uint32_t is_bool;           /* 1: `value` is "true" or "false" and becomes that */
} hst_chat_variable;

typedef struct hst_chat_options {
  uint32_t struct_size;
  uint32_t no_generation_prompt; /* 1: do not open the assistant's turn */
  const char* template_name;  /* NUL-terminated; NULL: "default" or the only one */
  int64_t now;                /* seconds since 1970 in the caller's zone, for templates that ask */
  uint32_t has_now;
  uint32_t reserved;
  const hst_chat_variable* variables;
  size_t variable_count;
} hst_chat_options;
#define HST_CHAT_OPTIONS_INIT {sizeof(hst_chat_options), 0, NULL, 0, 0, 0, NULL, 0}
/* Renders the model's chat template. Encode the text with no_special_tokens = 1:
 * templates write BOS themselves. */
HST_API hst_status hst_chat_render(const hst_model* model, const hst_chat_message* messages, size_t count,
                                   const hst_chat_options* options, hst_text** text, hst_error** error);

typedef struct hst_stream_options {
  uint32_t struct_size;
  uint32_t keep_special;      /* 1: special tokens become text */
  const hst_string* stops;    /* the text ends before the first of them; copied */
  size_t stop_count;
} hst_stream_options;
#define HST_STREAM_OPTIONS_INIT {sizeof(hst_stream_options), 0, NULL, 0}
/* Text of tokens as they come: characters split across tokens and possible
 * beginnings of stop strings are held back. */
HST_API hst_status hst_stream_create(const hst_model* model, const hst_stream_options* options, hst_stream** stream,
                                     hst_error** error);
/* The text that `token` releases, borrowed until the next call; may be empty.
 * *stopped becomes 1 at a stop string. */
HST_API hst_status hst_stream_push(hst_stream* stream, int32_t token, const char** text, size_t* size, uint32_t* stopped,
                                   hst_error** error);
HST_API hst_status hst_stream_finish(hst_stream* stream, const char** text, size_t* size, hst_error** error);
HST_API void hst_stream_free(hst_stream* stream);

/* ---- evaluating ------------------------------------------------------- */

typedef struct hst_context_options {
  uint32_t struct_size;
  uint32_t threads;           /* with the caller; 0: one a hardware thread */
  int64_t kv_tokens;          /* tokens of all sequences together; 0: the model's length, at most 8192, but with a limit of
                                 device_memory as many as what is left of it holds */
  int64_t max_rows;           /* token rows of one step; 0: 512 (encoders: the model's length, at most 8192) */
  int64_t prefill_chunk;      /* most tokens of one sequence in a step; 0: max_rows */
  uint32_t profile;           /* 1: measure every instruction; on a device each is waited for */
  uint32_t reserved;
  void* stream;               /* CUDA: a cudaStream_t that outlives the context; NULL: its own */
} hst_context_options;
#define HST_CONTEXT_OPTIONS_INIT {sizeof(hst_context_options), 0, 0, 0, 0, 0, 0, NULL}
/* On a device all that evaluating needs is planned and allocated here. HST_RESOURCE where it does
 * not fit: what each part needs, what is left, what to do; then nothing is allocated. */
HST_API hst_status hst_context_create(const hst_model* model, const hst_context_options* options, hst_context** context,
                                      hst_error** error);
/* Cancels and waits for a call that another thread has in this context. */
HST_API void hst_context_free(hst_context* context);

typedef struct hst_context_info {
  uint32_t struct_size;
  uint32_t threads;
  int64_t max_rows, kv_tokens, free_kv_tokens;
  uint64_t device_bytes;      /* of a device's memory, beside the model's weights and tables; 0 on the CPU */
} hst_context_info;
#define HST_CONTEXT_INFO_INIT {sizeof(hst_context_info), 0, 0, 0, 0, 0}
HST_API hst_status hst_context_get_info(hst_context* context, hst_context_info* info, hst_error** error);

HST_API hst_status hst_sequence_create(hst_context* context, hst_sequence* sequence, hst_error** error);
/* A second sequence with the same tokens; their cache is shared, not copied. */
HST_API hst_status hst_sequence_fork(hst_context* context, hst_sequence source, hst_sequence* sequence, hst_error** error);
HST_API hst_status hst_sequence_truncate(hst_context* context, hst_sequence sequence, int64_t length, hst_error** error);
HST_API hst_status hst_sequence_length(hst_context* context, hst_sequence sequence, int64_t* length, hst_error** error);
HST_API hst_status hst_sequence_free(hst_context* context, hst_sequence sequence, hst_error** error);

#define HST_WANT_NONE 0
#define HST_WANT_LAST 1       /* output rows of the last token only */
#define HST_WANT_ALL 2        /* of every token */

typedef struct hst_eval_item {
  uint32_t struct_size;       /* the same in every item of a call */
  uint32_t want;              /* HST_WANT_... */
  hst_sequence sequence;
  const int32_t* tokens;
  size_t count;               /* at least 1 */
  const int32_t* token_types; /* `count` of them or NULL (all 0); models with token types only */
} hst_eval_item;
#define HST_EVAL_ITEM_INIT {sizeof(hst_eval_item), HST_WANT_LAST, 0, NULL, 0, NULL}

/* Appends each item's tokens to its sequence (once a call) and makes the wanted
 * output rows. An encoder's sequence is evaluated whole, what it held is dropped.
 * Logits depend on a sequence's own tokens alone, to the last bit: not on other
 * items, on how tokens are cut into calls, on threads or instruction set.
 * On failure no sequence has changed, but an encoder's may be empty. */
HST_API hst_status hst_evaluate(hst_context* context, const hst_eval_item* items, size_t count, hst_error** error);
/* Thread-safe: makes the running hst_evaluate, or else the next one, return HST_CANCELLED. */
HST_API void hst_cancel(hst_context* context);

typedef struct hst_rows {
  uint32_t struct_size;
  uint32_t reserved;
  const float* data;          /* row r, column c at data[r * stride + c]; borrowed until the next hst_evaluate */
  int64_t rows, cols, stride;
} hst_rows;
#define HST_ROWS_INIT {sizeof(hst_rows), 0, NULL, 0, 0, 0}
/* Rows of output `output` for item `item` of the last hst_evaluate: one for
 * HST_WANT_LAST, `count` for HST_WANT_ALL, in order of tokens. On a device the
 * rows stay there until this call, which waits for them. */
HST_API hst_status hst_get_rows(hst_context* context, size_t item, uint32_t output, hst_rows* rows, hst_error** error);

typedef struct hst_sample_options {
  uint32_t struct_size;
  float temperature;          /* 0: the likeliest token */
  int32_t top_k;              /* 0: off */
  float top_p;                /* 1: off */
  float min_p;                /* 0: off */
  float repetition_penalty;   /* 1: off */
  uint64_t seed;
} hst_sample_options;
#define HST_SAMPLE_OPTIONS_INIT {sizeof(hst_sample_options), 1.0f, 0, 1.0f, 0.0f, 1.0f, 0}
/* Chooses a token from `count` logits. The choice is a function of the logits,
 * the options and `position` (the new token's index in its sequence) alone.
 * `recent` are the tokens that the repetition penalty applies to. */
HST_API hst_status hst_sample(hst_context* context, const float* logits, size_t count, const int32_t* recent,
                              size_t recent_count, int64_t position, const hst_sample_options* options, int32_t* token,
                              hst_error** error);

/* The same from row `row` of hst_get_rows(item, output). On a device the choice is made
 * there, and only the token is copied. HST_BAD_INPUT: a logit is NaN, or all are -inf. */
HST_API hst_status hst_sample_row(hst_context* context, size_t item, uint32_t output, int64_t row, const int32_t* recent,
                                  size_t recent_count, int64_t position, const hst_sample_options* options, int32_t* token,
                                  hst_error** error);

typedef struct hst_sample_item {
  uint32_t struct_size;
  uint32_t output;
  size_t item;
  int64_t row;
  const int32_t* recent;
  size_t recent_count;
  int64_t position;
  const hst_sample_options* options; /* NULL: as HST_SAMPLE_OPTIONS_INIT */
} hst_sample_item;
#define HST_SAMPLE_ITEM_INIT {sizeof(hst_sample_item), 0, 0, 0, NULL, 0, 0, NULL}
/* hst_sample_row for `count` rows at once, as a batch of sequences needs it: on a device all
 * of them are chosen in one go. tokens[i] is of items[i]. HST_BAD_INPUT names the first item
 * that no token can be chosen for; its token, and that of others like it, is -1, and all
 * others are chosen. After other errors no token is. */
HST_API hst_status hst_sample_rows(hst_context* context, const hst_sample_item* items, size_t count, int32_t* tokens,
                                   hst_error** error);

/* ---- KV state --------------------------------------------------------- */

/* A sequence's keys [kv_heads][length][head_dim] and values [kv_heads][length]
 * [v_head_dim] of one layer as fp32; the counts must match. INT8 is
 * dequantized. What is exported imports again to the same bits, for every kv_type;
 * only an INT8 cache with infinities or NaN, a broken model's, does not. To set a
 * sequence aside and go on later, hst_kv_save is smaller and has no such case. */
HST_API hst_status hst_kv_export(hst_context* context, hst_sequence sequence, uint32_t layer, float* k, size_t k_count,
                                 float* v, size_t v_count, hst_error** error);
/* Fills an empty sequence with `tokens` tokens; k and v have one array a layer. */
HST_API hst_status hst_kv_import(hst_context* context, hst_sequence sequence, int64_t tokens, const float* const* k,
                                 const float* const* v, uint32_t layers, hst_error** error);

/* A sequence's whole cache as bytes, exactly what it holds: restored into an
 * empty sequence of any context of the same artifact, it goes on with the same
 * bits as if it had never left. `size` must be what hst_kv_saved_size says. */
HST_API hst_status hst_kv_saved_size(hst_context* context, hst_sequence sequence, size_t* size, hst_error** error);
HST_API hst_status hst_kv_save(hst_context* context, hst_sequence sequence, void* data, size_t size, hst_error** error);
/* Trusts no byte: HST_BAD_INPUT for a state that is damaged, or of another
 * artifact, and the sequence stays empty. There is no digest of the values: who
 * can change the bytes can change what the model says. */
HST_API hst_status hst_kv_restore(hst_context* context, hst_sequence sequence, const void* data, size_t size,
                                  hst_error** error);

/* ---- measuring -------------------------------------------------------- */

/* Of one instruction since the context was made; zeros without options.profile. */
HST_API hst_status hst_get_profile(hst_context* context, uint32_t instruction, uint64_t* calls, uint64_t* nanoseconds,
                                   hst_error** error);

#ifdef __cplusplus
}
#endif

#endif /* HASTEN_H_ */
