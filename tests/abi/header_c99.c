/* The public header as strict C99; compiling is the test. */
#include "runtime/include/hasten.h"

/* Every INIT macro must initialize every field (-Wmissing-field-initializers). */
int HastenHeaderC99(void);
int HastenHeaderC99(void) {
  hst_model_options a = HST_MODEL_OPTIONS_INIT;
  hst_model_info b = HST_MODEL_INFO_INIT;
  hst_generation c = HST_GENERATION_INIT;
  hst_layer_info d = HST_LAYER_INFO_INIT;
  hst_output_info e = HST_OUTPUT_INFO_INIT;
  hst_instruction_info f = HST_INSTRUCTION_INFO_INIT;
  hst_encode_options g = HST_ENCODE_OPTIONS_INIT;
  hst_chat_options h = HST_CHAT_OPTIONS_INIT;
  hst_stream_options i = HST_STREAM_OPTIONS_INIT;
  hst_context_options j = HST_CONTEXT_OPTIONS_INIT;
  hst_context_info k = HST_CONTEXT_INFO_INIT;
  hst_eval_item l = HST_EVAL_ITEM_INIT;
  hst_rows m = HST_ROWS_INIT;
  hst_sample_options n = HST_SAMPLE_OPTIONS_INIT;
  return (int)(a.struct_size + b.struct_size + c.struct_size + d.struct_size + e.struct_size + f.struct_size + g.struct_size +
               h.struct_size + i.struct_size + j.struct_size + k.struct_size + l.struct_size + m.struct_size + n.struct_size);
}
