{#- The value of a column after its rule, as an SQL expression; the one door to every rule.
    Add a rule: a macro rule__<name> beside this one, its name in erasure/rules.py. Applying a rule twice must change
    nothing: whether a value is masked is asked by comparing it with its rule's result. -#}
{% macro rule(field, column, subject_id) -%}
    {%- set by_name = {
        'constant': rule__constant,
        'unique': rule__unique,
        'clear': rule__clear,
        'truncate_ip': rule__truncate_ip,
        'coarsen_date': rule__coarsen_date,
        'scrub_text': rule__scrub_text,
    } -%}
    {%- if field.rule not in by_name -%}
        {{ exceptions.raise_compiler_error("No macro for the rule '" ~ field.rule ~ "' of the column " ~ field.name) }}
    {%- endif -%}
    {{ by_name[field.rule](column, subject_id) }}
{%- endmacro %}
