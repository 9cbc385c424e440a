{#- ClickHouse: the table that says of each subject of the batch what its rules must know; it stands for as long
    as the target set does, in memory alone. Read by joinGet, which a mutation allows. -#}
{% macro subject_attribute(attribute, owner) -%}
    joinGet('erasure.subjects_{{ var("batch_id") | replace("-", "_") }}', '{{ attribute }}', {{ owner }})
{%- endmacro %}
