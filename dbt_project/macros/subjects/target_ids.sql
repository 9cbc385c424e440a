{#- The contributor ids of the batch. -#}
{% macro target_ids() -%}
    select contributor_id from erasure.targets where batch_id = {{ batch_id() }} and kind = 'contributor'
{%- endmacro %}
