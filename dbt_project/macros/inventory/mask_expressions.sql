{#- The pieces of a table's mask as JSON, for what is masked by other statements than ALTER ... UPDATE: a copy
    of a table whose keys are ruled, and checksums of a subject's rows. The predicates are those of
    `masked_rows`. -#}
{% macro mask_expressions(spec) -%}
    {%- set values = {} -%}
    {%- for column in masked_columns(spec, '') -%}
        {%- do values.update({column.name: column.new_value}) -%}
    {%- endfor -%}
    {{ return(tojson({
        'is_subject': is_subject(spec, '') | trim,
        'not_yet_masked': not_yet_masked(spec, '') | trim,
        'values': values,
    })) }}
{%- endmacro %}
